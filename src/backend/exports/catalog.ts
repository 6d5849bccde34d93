/** Every export format by its file's name. Written by `npm run generate`. */
import type { AnyExporter } from "./exporter";
import dfloat11 from "./dfloat11";
import onnx from "./onnx";
import packed from "./packed";
import peft from "./peft";
import safetensors from "./safetensors";

export const exporters: Readonly<Record<string, AnyExporter>> = { dfloat11, onnx, packed, peft, safetensors };
