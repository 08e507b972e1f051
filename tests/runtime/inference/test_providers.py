"""Which device serves: chosen by what is there, said in one line."""

from __future__ import annotations

from inflare.runtime.inference.providers import choose

GPU_BUILD = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
WANTED = ("tensorrt", "cuda", "cpu")


def test_a_machine_without_a_driver_runs_on_the_cpu_and_says_why() -> None:
    choice = choose(WANTED, GPU_BUILD, lambda library: library != "libcuda.so.1")
    assert choice.providers == ("cpu",)
    assert choice.device == "cpu"
    assert "libcuda.so.1 not found" in choice.reason
    assert "\n" not in choice.reason


def test_cuda_is_taken_where_its_libraries_load() -> None:
    choice = choose(WANTED, GPU_BUILD, lambda library: library != "libnvinfer.so.10")
    assert choice.providers == ("cuda", "cpu")
    assert choice.device == "gpu"


def test_tensorrt_is_first_where_all_is_there() -> None:
    assert choose(WANTED, GPU_BUILD, lambda library: True).providers == WANTED


def test_a_cpu_build_never_asks_for_cuda() -> None:
    choice = choose(WANTED, ("CPUExecutionProvider",), lambda library: True)
    assert choice.providers == ("cpu",)
    assert "not in this build" in choice.reason


def test_the_cpu_serves_where_nothing_wanted_is_usable() -> None:
    assert choose(("cuda",), GPU_BUILD, lambda library: False).providers == ("cpu",)
