/** Every export format by its file's name. Written by `npm run generate`. */
import type { AnyExporter } from "./exporter";
import awq from "./awq";
import compressedTensors from "./compressed-tensors";
import dfloat11 from "./dfloat11";
import genai from "./genai";
import gguf from "./gguf";
import gptq from "./gptq";
import mlx from "./mlx";
import onnx from "./onnx";
import packed from "./packed";
import peft from "./peft";
import safetensors from "./safetensors";
import transformersJs from "./transformers-js";

export const exporters: Readonly<Record<string, AnyExporter>> = {
  awq,
  "compressed-tensors": compressedTensors,
  dfloat11,
  genai,
  gguf,
  gptq,
  mlx,
  onnx,
  packed,
  peft,
  safetensors,
  "transformers-js": transformersJs,
};
