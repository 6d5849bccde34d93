import type { System } from "./system";

export const outside: readonly System[] = [
  {
    title: "NeuralGS",
    source: "2025",
    idea: "scenes as small networks",
    note: "Compresses the attributes of points in space, which a language model does not have.",
  },
  {
    title: "MoDec-GS",
    source: "2025",
    idea: "motion split into global and local",
    note: "Decomposes motion, which text does not have.",
  },
  {
    title: "Taming 3DGS",
    source: "2406.15643",
    idea: "points that grow within a budget",
    note: "Grows points in space; what carries over, growing weights by gradient, is RigL.",
  },
  {
    title: "AT-AT",
    source: "2025",
    idea: "an autoencoder that selects what a transformer cleans",
    note: "Removes muscle signals from recordings of the brain.",
  },
  {
    title: "AGTCNet",
    source: "2025",
    idea: "graphs of electrodes over time",
    note: "An architecture for recordings of the brain.",
  },
  {
    title: "Quantized Spike-driven Transformer",
    source: "2025",
    idea: "spiking attention in few bits",
    note: "Spikes over time steps have no counterpart in a language model; its quantization with distillation is `quantgpt`.",
  },
];
