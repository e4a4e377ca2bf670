"""Write the model of a run for other programs: as a program of torch.export, or as ONNX."""
