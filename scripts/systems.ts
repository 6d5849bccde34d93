/** The page of published systems: what each is, where it is in Lathe, or why it has no meaning for language models. */
import { existsSync } from "node:fs";
import path from "node:path";

type Group =
  | "Pruning"
  | "Quantization and coding"
  | "Factors and sharing"
  | "Smaller architectures and search"
  | "Distillation and training"
  | "Run time"
  | "Analysis and evaluation"
  | "Outside language models";

interface System {
  readonly group: Group;
  readonly title: string;
  /** An arXiv identifier, or else the year, with the place where it helps to find it. */
  readonly source: string;
  /** What it does, in a few words. */
  readonly idea: string;
  /** Files that have it, from the root; none if it is not here. */
  readonly files?: readonly string[];
  /** The keys of an experiment that use it. */
  readonly keys?: string;
  /** A page or an example about it. */
  readonly page?: string;
  /** What is missing or different, or why it is not here. */
  readonly note?: string;
}

const methodFile = (id: string) => `src/backend/methods/${id}.ts`;

export const systems: readonly System[] = [
  {
    group: "Pruning",
    title: "Compresso",
    source: "2310.05015",
    idea: "learned L0 masks with LoRA and a prompt",
    note: "Not here yet. `bonsai` and `llmpruner` choose the same units in other ways.",
  },
  {
    group: "Pruning",
    title: "To prune, or not to prune",
    source: "1710.01878",
    idea: "gradual magnitude pruning along a cubic",
    files: [methodFile("gmp")],
    keys: "compress: {gmp}",
    page: "docs/methods.md",
  },
  {
    group: "Pruning",
    title: "Movement Pruning",
    source: "2005.07683",
    idea: "scores that train with the weights",
    files: [methodFile("movement"), "src/backend/training/movingMasks.ts"],
    keys: "compress: {movement}",
    page: "docs/methods.md",
    note: "The threshold of the scores is found again at each pruning step, not at each training step.",
  },
  {
    group: "Pruning",
    title: "RigL, SET",
    source: "1911.11134",
    idea: "masks of fixed size that move in training",
    files: [methodFile("rigl")],
    keys: "compress: {rigl}",
    page: "docs/methods.md",
    note: "All matrices have the same sparsity.",
  },
  {
    group: "Pruning",
    title: "SparseGPT",
    source: "2301.00774",
    idea: "one-shot pruning with compensation",
    files: [methodFile("sparsegpt")],
    keys: "compress: {sparsegpt}",
    page: "examples/one-shot.lathe.md",
  },
  {
    group: "Pruning",
    title: "Wanda",
    source: "2306.11695",
    idea: "weights times the norms of their inputs",
    files: [methodFile("wanda")],
    keys: "compress: {wanda}",
    page: "examples/one-shot.lathe.md",
  },
  {
    group: "Pruning",
    title: "FLAP",
    source: "2312.11983",
    idea: "units whose activations vary least",
    files: [methodFile("flap")],
    keys: "compress: {flap}",
    page: "docs/methods.md",
  },
  {
    group: "Pruning",
    title: "LLM-Pruner",
    source: "2305.11627",
    idea: "units by the Taylor series of the loss",
    files: [methodFile("llmpruner")],
    keys: "compress: {llmpruner}",
    page: "docs/methods.md",
  },
  {
    group: "Pruning",
    title: "Bonsai",
    source: "2402.05406",
    idea: "units by forward passes alone",
    files: [methodFile("bonsai")],
    keys: "compress: {bonsai}",
    page: "docs/methods.md",
  },
  {
    group: "Pruning",
    title: "Sheared-LLaMA",
    source: "2310.06694",
    idea: "learned masks toward a target shape",
    note: "Not here yet. `minitron` cuts to a target shape without learned masks.",
  },
  {
    group: "Pruning",
    title: "LoRAPrune",
    source: "2305.18403",
    idea: "importance from the gradients of LoRA",
    note: "Not here yet. LoRA itself is `train: {lora}`.",
  },
  {
    group: "Pruning",
    title: "Weight matrix folding and forward propagation pruning",
    source: "Scientific Reports 15:10171, 2025",
    idea: "identical rows, diagonals, and pruning with signs",
    files: [methodFile("irc"), methodFile("dwc"), methodFile("fpp")],
    keys: "compress: {irc}, {dwc}, {fpp}",
    page: "examples/papers/folding/card.lathe.md",
  },
  {
    group: "Pruning",
    title: "ED-ViT",
    source: "2410.11650",
    idea: "sub-models for subsets of classes",
    note: "Not here yet.",
  },

  {
    group: "Quantization and coding",
    title: "DFloat11",
    source: "2504.11651",
    idea: "lossless coding of bfloat16 exponents",
    files: ["src/backend/exports/dfloat11.ts"],
    keys: "export: {format: dfloat11}",
    page: "docs/accounting.md",
  },
  {
    group: "Quantization and coding",
    title: "ZeroQuant-V2",
    source: "2303.08302",
    idea: "rounding with low-rank compensation",
    files: [methodFile("rtn"), methodFile("gptq")],
    keys: "compress: {rtn: {lorc}}, {gptq: {lorc}}",
    page: "docs/methods.md",
  },
  {
    group: "Quantization and coding",
    title: "AdaPT",
    source: "2107.13490",
    idea: "fixed-point word lengths that adapt while training",
    note: "Not here yet.",
  },
  {
    group: "Quantization and coding",
    title: "MixDQ",
    source: "2405.17873",
    idea: "bits shared out by sensitivity",
    files: [methodFile("mixed")],
    keys: "compress: {mixed}",
    page: "docs/methods.md",
  },
  {
    group: "Quantization and coding",
    title: "Learned Low Precision Graph Neural Networks",
    source: "2020",
    idea: "differentiable choice of bits",
    note: "Not here yet. `mixed` chooses bits by measured sensitivity.",
  },
  {
    group: "Quantization and coding",
    title: "QuantGPT",
    source: "2203.10705",
    idea: "quantization-aware training with contrast",
    files: [methodFile("quantgpt")],
    keys: "compress: {quantgpt}",
    page: "docs/methods.md",
  },
  {
    group: "Quantization and coding",
    title: "Tiny Time-series Transformer",
    source: "2023",
    idea: "clustered weights, then coding",
    files: [methodFile("cluster"), "src/backend/exports/packed.ts"],
    keys: "compress: {cluster}",
    page: "docs/methods.md",
  },

  {
    group: "Factors and sharing",
    title: "kphi-3: Saving 77% of the parameters",
    source: "joaopauloschuler/less-parameters-llm, 2024",
    idea: "grouped pointwise projections",
    files: ["src/backend/models/phi3.ts", "src/backend/representations/grouped.ts"],
    keys: "model: {model_type: phi3, min_channels_per_group}",
    page: "examples/papers/kphi3/card.lathe.md",
  },
  {
    group: "Factors and sharing",
    title: "CompactifAI",
    source: "2401.14109",
    idea: "matrix product operators",
    files: [methodFile("kron")],
    keys: "compress: {kron: {sites}}",
    page: "docs/methods.md",
    note: "Two sites are a sum of Kronecker products.",
  },
  {
    group: "Factors and sharing",
    title: "Unified Low-rank Compression for Click-through Rate Prediction",
    source: "2405.18146",
    idea: "low rank in the space of features",
    files: [methodFile("svd")],
    keys: "compress: {svd: {whiten: true}}",
    page: "docs/methods.md",
    note: "Its features are equal to whitened singular values, which SVD-LLM found as well.",
  },
  {
    group: "Factors and sharing",
    title: "PELA",
    source: "2310.10700",
    idea: "low rank with distilled features",
    note: "Not here yet. `svd` followed by `train: {teacher}` is close.",
  },
  {
    group: "Factors and sharing",
    title: "In defense of parameter sharing (STABLE-RPS), ROAST",
    source: "2310.11611",
    idea: "weights read from a hashed array",
    files: [methodFile("roast"), "src/backend/representations/hashed.ts"],
    keys: "compress: {roast}",
    page: "docs/methods.md",
    note: "Each matrix has an array of its own instead of one for the model.",
  },
  {
    group: "Factors and sharing",
    title: "GraphHash",
    source: "2412.17245",
    idea: "rows of the embedding shared by clusters",
    files: [methodFile("graphhash"), "src/backend/compression/coOccurrence.ts"],
    keys: "compress: {graphhash}",
    page: "docs/methods.md",
    note: "Its graph of users and items is one of tokens that occur together.",
  },
  {
    group: "Factors and sharing",
    title: "My3DGen",
    source: "2023",
    idea: "low-rank changes of a frozen base for each person",
    files: ["src/schema/lora.ts"],
    keys: "train: {lora}",
    page: "docs/methods.md",
    note: "Its generators have no meaning here; its low-rank changes are LoRA.",
  },

  {
    group: "Smaller architectures and search",
    title: "LLaMA-NAS",
    source: "2405.18377",
    idea: "search over sub-networks of a super-network",
    note: "Not here yet. `search` draws and halves.",
  },
  {
    group: "Smaller architectures and search",
    title: "Compressing Pre-trained Models of Code into 3 MB",
    source: "2208.07120",
    idea: "genetic search under a size",
    note: "Not here yet.",
  },
  {
    group: "Smaller architectures and search",
    title: "LightHuBERT",
    source: "2203.15610",
    idea: "a once-for-all super-network",
    note: "Not here yet.",
  },
  {
    group: "Smaller architectures and search",
    title: "Low Resource Summarization using Pre-trained Language Models",
    source: "2023",
    idea: "a vocabulary of one language",
    note: "Not here yet.",
  },
  {
    group: "Smaller architectures and search",
    title: "MODIPHY",
    source: "2024",
    idea: "half of the channels from cheap maps",
    note: "Not here yet.",
  },

  {
    group: "Distillation and training",
    title: "KD-OCT",
    source: "2025",
    idea: "soft targets and labels",
    files: ["src/backend/training/distillation.ts"],
    keys: "train: {teacher: {recipe: hinton}}",
    page: "examples/distil.lathe.md",
    note: "Its weight averaging and focal loss are not here yet.",
  },
  {
    group: "Distillation and training",
    title: "SlimFlow",
    source: "2407.12718",
    idea: "annealed start from a teacher",
    note: "Not here yet.",
  },
  {
    group: "Distillation and training",
    title: "Specializing Smaller Language Models towards Multi-Step Reasoning",
    source: "2301.12726",
    idea: "distilled chains of thought",
    files: ["src/schema/teacher.ts"],
    keys: "train: {teacher: {top_k}}",
    page: "docs/experiment.md",
    note: "The mixture of its data formats is not here yet.",
  },
  {
    group: "Distillation and training",
    title: "Sparse Subspace Variational Inference",
    source: "2402.11025",
    idea: "mean and variance on a moving support",
    note: "Not here yet.",
  },
  {
    group: "Distillation and training",
    title: "Fine-tuning for domain adaptation",
    source: "2409.03444",
    idea: "continued training, preferences, merging",
    files: ["src/backend/merging/slerp.ts", "src/backend/training/preference.ts"],
    keys: "train: {data, preference}, merge: {slerp}, …",
    page: "docs/preferences.md",
  },
  {
    group: "Distillation and training",
    title: "Direct Preference Optimization",
    source: "2305.18290",
    idea: "answers preferred to others, against a reference",
    files: ["src/backend/training/preference.ts"],
    keys: "train: {preference: {loss: dpo}}",
    page: "docs/preferences.md",
  },
  {
    group: "Distillation and training",
    title: "ORPO",
    source: "2403.07691",
    idea: "fine-tuning with an odds ratio of answers",
    files: ["src/backend/training/preference.ts"],
    keys: "train: {preference: {loss: orpo}}",
    page: "docs/preferences.md",
  },

  {
    group: "Run time",
    title: "Keyformer",
    source: "2403.09054",
    idea: "key tokens by noisy scores",
    files: ["src/backend/caches/keyformer.ts"],
    keys: "evaluate: {inference: {cache: {keyformer}}}",
    page: "examples/papers/caches/keyformer.lathe.md",
  },
  {
    group: "Run time",
    title: "RazorAttention",
    source: "2407.15891",
    idea: "retrieval heads keep everything",
    files: ["src/backend/caches/razor.ts"],
    keys: "evaluate: {inference: {cache: {razor}}}",
    page: "examples/papers/caches/razor.lathe.md",
  },
  {
    group: "Run time",
    title: "KVCrush",
    source: "2503.00022",
    idea: "representatives of tokens that heads treat alike",
    files: ["src/backend/caches/kvcrush.ts"],
    keys: "evaluate: {inference: {cache: {kvcrush}}}",
    page: "examples/papers/caches/kvcrush.lathe.md",
  },
  {
    group: "Run time",
    title: "Dynamic inference for code completion",
    source: "2401.09964",
    idea: "tokens leave at a layer that knows them",
    files: ["src/backend/evaluation/exits.ts"],
    keys: "train: {exits}, evaluate: {inference: {exits}}",
    page: "docs/exits.md",
  },
  {
    group: "Run time",
    title: "TCRA-LLM",
    source: "2310.15556",
    idea: "shorter prompts",
    files: ["src/backend/evaluation/prompts/semantic.ts"],
    keys: "evaluate: {inference: {prompt: {semantic}}}",
    page: "docs/metrics.md",
  },

  {
    group: "Analysis and evaluation",
    title: "Deep Learning Scaling is Predictable, Empirically",
    source: "1712.00409",
    idea: "the loss as a power of the size",
    files: ["src/statistics/scalingLaw.ts"],
    keys: "report: {scaling_law}",
    page: "docs/scaling-laws.md",
  },
  {
    group: "Analysis and evaluation",
    title: "Scaling laws and knowledge graph engineering",
    source: "2025",
    idea: "plateaus where a larger model is not better",
    files: ["src/statistics/scalingLaw.ts"],
    keys: "report: {scaling_law}",
    page: "docs/scaling-laws.md",
  },
  {
    group: "Analysis and evaluation",
    title: "Understanding Robustness Lottery",
    source: "2206.07918",
    idea: "how representations move as weights go, and what breaks",
    files: ["src/backend/evaluation/robustness.ts", "src/backend/evaluation/representations.ts"],
    keys: "evaluate: {robustness}, {representations}",
    page: "docs/metrics.md",
    note: "Its view of single examples is not here yet.",
  },
  {
    group: "Analysis and evaluation",
    title: "A Survey of Large Language Models",
    source: "2303.18223",
    idea: "a survey",
    note: "No method of its own.",
  },
  {
    group: "Analysis and evaluation",
    title: "Model Compression and Efficient Inference for Large Language Models",
    source: "2402.09748",
    idea: "a survey",
    note: "No method of its own; the groups of this page follow its division.",
  },
  {
    group: "Analysis and evaluation",
    title: "LLM-enabled Instance Model Generation",
    source: "2025",
    idea: "structured output of large models",
    note: "Applies models and makes none smaller.",
  },

  {
    group: "Outside language models",
    title: "NeuralGS",
    source: "2025",
    idea: "scenes as small networks",
    note: "Compresses the attributes of points in space, which a language model does not have.",
  },
  {
    group: "Outside language models",
    title: "MoDec-GS",
    source: "2025",
    idea: "motion split into global and local",
    note: "Decomposes motion, which text does not have.",
  },
  {
    group: "Outside language models",
    title: "Taming 3DGS",
    source: "2406.15643",
    idea: "points that grow within a budget",
    note: "Grows points in space; what carries over, growing weights by gradient, is RigL.",
  },
  {
    group: "Outside language models",
    title: "AT-AT",
    source: "2025",
    idea: "an autoencoder that selects what a transformer cleans",
    note: "Removes muscle signals from recordings of the brain.",
  },
  {
    group: "Outside language models",
    title: "AGTCNet",
    source: "2025",
    idea: "graphs of electrodes over time",
    note: "An architecture for recordings of the brain.",
  },
  {
    group: "Outside language models",
    title: "Quantized Spike-driven Transformer",
    source: "2025",
    idea: "spiking attention in few bits",
    note: "Spikes over time steps have no counterpart in a language model; its quantization with distillation is `quantgpt`.",
  },
];

/** Throws if a system names a file that is not there, or neither a place nor a reason. */
export function checkSystems(root: string): void {
  for (const { title, files = [], page, keys, note } of systems) {
    const missing = [...files, ...(page === undefined ? [] : [page])].find(
      (file) => !existsSync(path.join(root, file)),
    );
    if (missing !== undefined) throw new Error(`${title}: there is no ${missing}.`);
    if (files.length === 0 && note === undefined)
      throw new Error(`${title} is neither here nor has a reason why not.`);
    if (files.length > 0 && (keys === undefined || page === undefined))
      throw new Error(`${title} is here and needs the keys that use it and a page.`);
  }
}

export function createSystemsPage(root: string): string {
  checkSystems(root);
  const groups = [...new Set(systems.map(({ group }) => group))];
  const here = systems.filter(({ files = [] }) => files.length > 0).length;
  return [
    "# Published systems",
    "",
    "<!-- Written by `npm run generate` from scripts/systems.ts. -->",
    "",
    `${systems.length} systems that make models smaller or cheaper, or that measure what is lost: what each does, and where it is in Lathe. ${here} of them work here, in whole or in part; the others are named with the reason. [Methods](methods.md) describes further methods and controls that are not of this collection.`,
    ...groups.flatMap((group) => [
      "",
      `## ${group}`,
      "",
      ...createTable(systems.filter((each) => each.group === group)),
    ]),
    "",
  ].join("\n");
}

function createTable(rows: readonly System[]): string[] {
  const line = ({ title, source, idea, files = [], keys, page, note }: System) => {
    const name = `${title} (${isArxiv(source) ? `[arXiv ${source}](https://arxiv.org/abs/${source})` : source})`;
    const places = files.map((file) => `[${path.basename(file, ".ts")}](../${file})`).join(", ");
    const about =
      page === undefined
        ? ""
        : `[${path.basename(page)}](${page.startsWith("docs/") ? page.slice("docs/".length) : `../${page}`})`;
    return `| ${name} | ${idea} | ${keys === undefined ? "" : `\`${keys}\``} | ${[places, about].filter((each) => each !== "").join("; ")} | ${note ?? ""} |`;
  };
  return [
    "| system | idea | in an experiment | code and page | remarks |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(line),
  ];
}

const isArxiv = (source: string) => /^\d{4}\.\d{4,5}$/.test(source);
