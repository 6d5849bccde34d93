import type { System } from "./system";

export const analysis: readonly System[] = [
  {
    title: "Deep Learning Scaling is Predictable, Empirically",
    source: "1712.00409",
    idea: "the loss as a power of the size",
    files: ["src/statistics/scalingLaw.ts"],
    keys: "report: {scaling_law}",
    page: "docs/scaling-laws.md",
  },
  {
    title: "Scaling laws and knowledge graph engineering",
    source: "2025",
    idea: "plateaus where a larger model is not better",
    files: ["src/statistics/scalingLaw.ts"],
    keys: "report: {scaling_law}",
    page: "docs/scaling-laws.md",
  },
  {
    title: "Understanding Robustness Lottery",
    source: "2206.07918",
    idea: "how representations move as weights go, and what breaks",
    files: ["src/backend/evaluation/robustness.ts", "src/backend/evaluation/representations.ts"],
    keys: "evaluate: {robustness}, {representations}",
    page: "docs/metrics.md",
    note: "Its view of single examples is not here yet.",
  },
  {
    title: "A Survey of Large Language Models",
    source: "2303.18223",
    idea: "a survey",
    note: "No method of its own.",
  },
  {
    title: "Model Compression and Efficient Inference for Large Language Models",
    source: "2402.09748",
    idea: "a survey",
    note: "No method of its own; the groups of this page follow its division.",
  },
  {
    title: "LLM-enabled Instance Model Generation",
    source: "2025",
    idea: "structured output of large models",
    note: "Applies models and makes none smaller.",
  },
];
