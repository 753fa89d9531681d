"""A small ONNX encoder whose vectors are known."""

import onnx
from onnx import TensorProto, helper


def averaging(path, shape=("n", 3, 96, 96), kind=TensorProto.FLOAT, metadata=None, axes=(2, 3), outputs=1, inputs=1):
    """Write an encoder whose vector is the average of each colour."""
    taken = [helper.make_tensor_value_info(f"pictures{n}", kind, shape) for n in range(inputs)]
    nodes = [helper.make_node("Cast", ["pictures0"], ["real"], to=TensorProto.FLOAT)]
    nodes.append(helper.make_node("ReduceMean", ["real"], ["vector"], axes=list(axes), keepdims=0))
    given = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, (shape[0], 4 - len(axes)))]
    model = helper.make_model(
        helper.make_graph(nodes, "average", taken, given[:outputs]), opset_imports=[helper.make_opsetid("", 13)]
    )
    model.ir_version = 8
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path
