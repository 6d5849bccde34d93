import { methodFile, type System } from "./system";

export const quantization: readonly System[] = [
  {
    title: "DFloat11",
    source: "2504.11651",
    idea: "lossless coding of bfloat16 exponents",
    files: ["src/backend/exports/dfloat11.ts"],
    keys: "export: {format: dfloat11}",
    page: "docs/accounting.md",
  },
  {
    title: "ZeroQuant-V2",
    source: "2303.08302",
    idea: "rounding with low-rank compensation",
    files: [methodFile("rtn"), methodFile("gptq")],
    keys: "compress: {rtn: {lorc}}, {gptq: {lorc}}",
    page: "docs/methods.md",
  },
  {
    title: "AdaPT",
    source: "2107.13490",
    idea: "fixed-point word lengths that adapt while training",
    note: "Not here yet.",
  },
  {
    title: "MixDQ",
    source: "2405.17873",
    idea: "bits shared out by sensitivity",
    files: [methodFile("mixed")],
    keys: "compress: {mixed}",
    page: "docs/methods.md",
  },
  {
    title: "Learned Low Precision Graph Neural Networks",
    source: "2020",
    idea: "differentiable choice of bits",
    note: "Not here yet. `mixed` chooses bits by measured sensitivity.",
  },
  {
    title: "QuantGPT",
    source: "2203.10705",
    idea: "quantization-aware training with contrast",
    files: [methodFile("quantgpt")],
    keys: "compress: {quantgpt}",
    page: "docs/methods.md",
  },
  {
    title: "Tiny Time-series Transformer",
    source: "2023",
    idea: "clustered weights, then coding",
    files: [methodFile("cluster"), "src/backend/exports/packed.ts"],
    keys: "compress: {cluster}",
    page: "docs/methods.md",
  },
];
