import type { System } from "./system";

export const training: readonly System[] = [
  {
    title: "KD-OCT",
    source: "2025",
    idea: "soft targets and labels",
    files: ["src/backend/training/distillation.ts"],
    keys: "train: {teacher: {recipe: hinton}}",
    page: "examples/distil.lathe.md",
    note: "Its weight averaging and focal loss are not here yet.",
  },
  {
    title: "SlimFlow",
    source: "2407.12718",
    idea: "annealed start from a teacher",
    note: "Not here yet.",
  },
  {
    title: "Specializing Smaller Language Models towards Multi-Step Reasoning",
    source: "2301.12726",
    idea: "distilled chains of thought",
    files: ["src/schema/teacher.ts"],
    keys: "train: {teacher: {top_k}}",
    page: "docs/experiment.md",
    note: "The mixture of its data formats is not here yet.",
  },
  {
    title: "Sparse Subspace Variational Inference",
    source: "2402.11025",
    idea: "mean and variance on a moving support",
    note: "Not here yet.",
  },
  {
    title: "Fine-tuning for domain adaptation",
    source: "2409.03444",
    idea: "continued training, preferences, merging",
    files: ["src/backend/merging/slerp.ts", "src/backend/training/preference.ts"],
    keys: "train: {data, preference}, merge: {slerp}, …",
    page: "docs/preferences.md",
  },
  {
    title: "Direct Preference Optimization",
    source: "2305.18290",
    idea: "answers preferred to others, against a reference",
    files: ["src/backend/training/preference.ts"],
    keys: "train: {preference: {loss: dpo}}",
    page: "docs/preferences.md",
  },
  {
    title: "ORPO",
    source: "2403.07691",
    idea: "fine-tuning with an odds ratio of answers",
    files: ["src/backend/training/preference.ts"],
    keys: "train: {preference: {loss: orpo}}",
    page: "docs/preferences.md",
  },
];
