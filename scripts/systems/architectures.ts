import type { System } from "./system";

export const architectures: readonly System[] = [
  {
    title: "LLaMA-NAS",
    source: "2405.18377",
    idea: "search over sub-networks of a super-network",
    note: "Not here yet. `search` draws and halves.",
  },
  {
    title: "Compressing Pre-trained Models of Code into 3 MB",
    source: "2208.07120",
    idea: "genetic search under a size",
    note: "Not here yet.",
  },
  {
    title: "LightHuBERT",
    source: "2203.15610",
    idea: "a once-for-all super-network",
    note: "Not here yet.",
  },
  {
    title: "Low Resource Summarization using Pre-trained Language Models",
    source: "2023",
    idea: "a vocabulary of one language",
    note: "Not here yet.",
  },
  {
    title: "MODIPHY",
    source: "2024",
    idea: "half of the channels from cheap maps",
    note: "Not here yet.",
  },
];
