"""Networks that others have quantized: QDQ ONNX and TFLite files, their scales and integers taken over."""
