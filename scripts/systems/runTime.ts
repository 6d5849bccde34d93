import type { System } from "./system";

export const runTime: readonly System[] = [
  {
    title: "Keyformer",
    source: "2403.09054",
    idea: "key tokens by noisy scores",
    files: ["src/backend/caches/keyformer.ts"],
    keys: "evaluate: {inference: {cache: {keyformer}}}",
    page: "examples/papers/caches/keyformer.lathe.md",
  },
  {
    title: "RazorAttention",
    source: "2407.15891",
    idea: "retrieval heads keep everything",
    files: ["src/backend/caches/razor.ts"],
    keys: "evaluate: {inference: {cache: {razor}}}",
    page: "examples/papers/caches/razor.lathe.md",
  },
  {
    title: "KVCrush",
    source: "2503.00022",
    idea: "representatives of tokens that heads treat alike",
    files: ["src/backend/caches/kvcrush.ts"],
    keys: "evaluate: {inference: {cache: {kvcrush}}}",
    page: "examples/papers/caches/kvcrush.lathe.md",
  },
  {
    title: "Dynamic inference for code completion",
    source: "2401.09964",
    idea: "tokens leave at a layer that knows them",
    files: ["src/backend/evaluation/exits.ts"],
    keys: "train: {exits}, evaluate: {inference: {exits}}",
    page: "docs/exits.md",
  },
  {
    title: "TCRA-LLM",
    source: "2310.15556",
    idea: "shorter prompts",
    files: ["src/backend/evaluation/prompts/semantic.ts"],
    keys: "evaluate: {inference: {prompt: {semantic}}}",
    page: "docs/metrics.md",
  },
];
