from js import Object
from pyodide.ffi import to_js
from workers import Response, WorkerEntrypoint, fetch


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        res = await fetch(self.env.IMAGE)
        blob = await res.bytes()

        inputs = {"image": [*blob]}

        response = await self.env.AI.run(
            "@cf/facebook/detr-resnet-50",
            to_js(inputs, dict_converter=Object.fromEntries),
        )

        return Response.json({"inputs": {"image": []}, "response": response.to_py()})
