"""MLServer: a custom runtime behind the V2 inference protocol; the image is a base64 tensor, decoded by its codec."""

import json

from detection import Detection
from mlserver import MLModel
from mlserver.codecs import Base64Codec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Detector(MLModel):
    async def load(self) -> bool:
        self.detection = Detection()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (data,) = Base64Codec.decode_input(payload.inputs[0])
        found = json.dumps(self.detection.answer(data))
        output = StringCodec.encode_output("result", [found])
        return InferenceResponse(model_name=self.name, outputs=[output])
