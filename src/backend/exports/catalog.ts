/** Every export format by its file's name. Written by `npm run generate`. */
import type { AnyExporter } from "./exporter";
import onnx from "./onnx";
import safetensors from "./safetensors";

export const exporters: Readonly<Record<string, AnyExporter>> = { onnx, safetensors };
