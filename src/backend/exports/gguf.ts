/** A GGUF file for llama.cpp and the programs built on it, with the tokenizer and its chat template inside. */
import { join } from "node:path";
import * as z from "zod";
import { encodeBlocks, encodeCodes, type WrittenType } from "../checkpoints/gguf/encodeBlocks";
import { computeGgufBytes, fitsBlocks, ggufTypes } from "../checkpoints/gguf/types";
import type { HostTensor } from "../checkpoints/safetensors";
import { sizeOf } from "../graph/op";
import {
  type GgufTensorLayout,
  listGgufTensors,
  mapRotaryRows,
  moveRows,
  toGgufLayout,
} from "../models/ggufLayout";
import { getGgufArchitecture, listGgufConfig, refuseGguf } from "../models/ggufMetadata";
import { dimensionsOf, familyOf, listMatrixSlots, type ModelShape } from "../models/model";
import type { MatrixSlot } from "../models/weights";
import { weightName } from "../representations/dense";
import { describeBytes, describeMatrices, findCoding, isCoded, readCodedMatrix } from "./codedMatrix";
import { defineExporter, type ExportSubject } from "./exporter";
import { listGgufVocabulary } from "./ggufVocabulary";
import { type GgufEntry, type GgufOutput, writeGguf } from "./ggufWriter";
import { createSource, toPlainTensors } from "./plainTensors";
import { refuseOutOfRange } from "./shards";

/** The type of matrices, and the number of the file's type (`llama_ftype`) for each option. */
const types = {
  float32: { type: "F32", file: 0 },
  float16: { type: "F16", file: 1 },
  bfloat16: { type: "BF16", file: 32 },
  q8_0: { type: "Q8_0", file: 7 },
  q4_0: { type: "Q4_0", file: 2 },
  q4_k: { type: "Q4_K", file: 14 },
  q6_k: { type: "Q6_K", file: 18 },
} as const satisfies Readonly<Record<string, { readonly type: WrittenType; readonly file: number }>>;
type Dtype = keyof typeof types;

const optionsSchema = z.strictObject({
  dtype: z
    .enum(Object.keys(types) as [Dtype, ...Dtype[]])
    .default("float16")
    .describe(
      "Type of the matrices. Norms, biases and position embeddings stay float32. q8_0 and q4_0 keep symmetric codes of a quantized model as they are.",
    ),
  vocabulary: z
    .enum(["include", "none"])
    .default("include")
    .describe("Whether the tokenizer is written into the file."),
});
type Options = z.output<typeof optionsSchema>;

export default defineExporter<Options>({
  title: "GGUF file for llama.cpp",
  library: "gguf",
  options: optionsSchema,
  samples: [{ dtype: "float32" }, { dtype: "q4_0" }, { dtype: "q6_k", vocabulary: "none" }],
  form: "dense",
  keeps: ["quantised"],
  hasCompanions: false,
  refuses: (shape) =>
    refuseGguf(shape) ??
    (Object.keys(familyOf(shape.family).representations?.(shape.config) ?? {}).length > 0
      ? "its configuration requires matrices that are not dense"
      : undefined),
  write: async (subject, { dtype, vocabulary }, folder) => {
    const { shape, tokenizer } = subject;
    const plain = toPlainTensors(subject, undefined, "model");
    const written = listGgufTensors(shape).map((layout) => createOutput(layout, subject, plain, dtype));
    const architecture = getGgufArchitecture(shape.family);
    const vocabularyEntries: GgufEntry[] =
      tokenizer === undefined || vocabulary === "none"
        ? [{ key: "tokenizer.ggml.model", type: "string", value: "none" }]
        : listGgufVocabulary(tokenizer, dimensionsOf(shape).vocabulary);
    const entries: GgufEntry[] = [
      { key: "general.architecture", type: "string", value: architecture },
      { key: "general.type", type: "string", value: "model" },
      ...nameModel(shape, vocabularyEntries),
      { key: "general.file_type", type: "uint32", value: types[dtype].file },
      { key: "general.quantization_version", type: "uint32", value: 2 },
      ...listGgufConfig(shape).map((entry) => ({ ...entry, key: `${architecture}.${entry.key}` })),
      ...vocabularyEntries,
    ];
    writeGguf(
      join(folder, "model.gguf"),
      entries,
      written.map(({ output }) => output),
    );
    return createNotices(shape, dtype, written);
  },
});

/** llama.cpp expects these tokens in a model whose name is that of Phi-3, and does not load it otherwise. */
const phi3Tokens = ["<unk>", "<s>", "</s>", "<|endoftext|>"];

function nameModel({ family }: ModelShape, vocabulary: readonly GgufEntry[]): GgufEntry[] {
  const tokens = vocabulary.find(({ key }) => key === "tokenizer.ggml.tokens")?.value;
  const isNamed =
    family !== "phi3" || (Array.isArray(tokens) && phi3Tokens.every((each) => tokens.includes(each)));
  return isNamed ? [{ key: "general.name", type: "string", value: familyOf(family).title }] : [];
}

interface Written {
  readonly output: GgufOutput;
  readonly layout: GgufTensorLayout;
  /** Whether the codes of the model were written as they are. */
  readonly keepsCodes: boolean;
}

function createOutput(
  layout: GgufTensorLayout,
  { shape, tensors }: Pick<ExportSubject, "shape" | "tensors">,
  plain: ReadonlyMap<string, HostTensor>,
  dtype: Dtype,
): Written {
  const type = chooseType(layout, dtype);
  const slot = findSlot(shape, layout);
  const keepsCodes = slot !== undefined && fitsCodes(slot, type);
  const common = { name: layout.name, shape: layout.shape };
  if (keepsCodes && (type === "Q8_0" || type === "Q4_0"))
    return {
      layout,
      keepsCodes: true,
      output: { ...common, type, encode: () => encodeSlot(slot, layout, type, tensors) },
    };
  const data = plain.get(layout.source)!;
  if (type !== "F32")
    refuseOutOfRange(new Map([[layout.source, data]]), type === "BF16" ? "bfloat16" : "float16");
  return {
    layout,
    keepsCodes: false,
    output: {
      ...common,
      type,
      encode: () => encodeBlocks(type, toGgufLayout(data.data as Float32Array, layout)),
    },
  };
}

/** Rows that are not whole blocks need a type with smaller ones, or without. */
function chooseType({ shape, isFloat }: GgufTensorLayout, dtype: Dtype): WrittenType {
  const { type } = types[dtype];
  if (isFloat) return "F32";
  if (fitsBlocks(type, shape[1]!)) return type;
  return type !== "Q8_0" && fitsBlocks("Q8_0", shape[1]!) && ggufTypes[type].block > 32 ? "Q8_0" : "F16";
}

/** The quantized matrix of a tensor, if it is one. */
function findSlot(shape: ModelShape, { source }: GgufTensorLayout): MatrixSlot | undefined {
  return listMatrixSlots(shape).find((slot) => weightName(slot.matrix) === source && isCoded(slot));
}

/** Whether the codes are those of the type: symmetric, with groups that are whole blocks. An embedding groups other weights. */
function fitsCodes(slot: MatrixSlot, type: WrittenType): boolean {
  const coding = findCoding(slot);
  if (slot.matrix.kind === "embedding") return false;
  if ((type !== "Q8_0" && type !== "Q4_0") || typeof coding === "string") return false;
  const { bits, groupSize = slot.matrix.inputs, symmetric } = coding;
  return symmetric && groupSize % ggufTypes[type].block === 0 && bits <= (type === "Q8_0" ? 8 : 4);
}

function encodeSlot(
  slot: MatrixSlot,
  { shape, permutedHeads }: GgufTensorLayout,
  type: "Q8_0" | "Q4_0",
  tensors: ExportSubject["tensors"],
): Uint8Array {
  const [rows, columns] = shape as [number, number];
  const { codes, scales } = readCodedMatrix(slot, createSource(tensors));
  const groups = scales.length / rows;
  const blocks = columns / ggufTypes[type].block;
  const repeated = Float32Array.from(
    { length: rows * blocks },
    (_, i) => scales[Math.floor(i / blocks) * groups + Math.floor(((i % blocks) * groups) / blocks)]!,
  );
  if (permutedHeads === undefined) return encodeCodes(type, codes, repeated);
  const from = mapRotaryRows(rows, permutedHeads);
  return encodeCodes(type, moveRows(codes, columns, from), moveRows(repeated, blocks, from));
}

function createNotices(shape: ModelShape, dtype: Dtype, written: readonly Written[]): string[] {
  const wanted = types[dtype].type;
  const others = written.filter(({ output, layout }) => output.type !== wanted && !layout.isFloat);
  const rounded = written.filter(
    ({ keepsCodes, layout }) => !keepsCodes && findSlot(shape, layout) !== undefined,
  );
  const roles = (list: readonly Written[]) => describeMatrices(list.map(({ layout }) => layout));
  const bytes = written.reduce(
    (sum, { output }) => sum + computeGgufBytes(output.type, sizeOf(output.shape)),
    0,
  );
  const weights = written.reduce((sum, { layout }) => sum + sizeOf(layout.shape), 0);
  const kept = written.filter(({ keepsCodes }) => keepsCodes);
  return [
    describeBytes(shape, bytes, weights),
    ...(others.length === 0
      ? []
      : [
          `${roles(others)}: rows are not whole blocks of ${ggufTypes[wanted].block}, so they are written as ${[...new Set(others.map(({ output }) => output.type))].join(" and ")}.`,
        ]),
    ...(kept.length === 0
      ? []
      : [`${roles(kept)}: codes are written as they are, with scales rounded to float16.`]),
    ...(rounded.length === 0
      ? []
      : [
          `${roles(rounded)}: quantized codes do not fit ${wanted} as they are, so their values are rounded again. Symmetric codes of up to four bits in groups of a multiple of 32 fit q4_0, and of up to eight bits q8_0.`,
        ]),
  ];
}
