/** Packs the tensors of a model into the bits that are counted for them, according to their packing and masks. */
import { parametersOf } from "../models/model";
import type { ParameterSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { StoredDtype } from "../checkpoints/halfPrecision";
import { type CodedTensors, codeTensors } from "./codedTensors";
import type { OpenStep } from "./codecs";

export interface PackOptions {
  /** Type of the tensors that are not codes or masks. */
  readonly dtype: StoredDtype;
  /** Whether to also entropy-code codes, masks and bfloat16 weights if this is smaller. */
  readonly entropyCoding: boolean;
}

export function pack(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  options: PackOptions,
): CodedTensors {
  const specs = new Map(parametersOf(shape).map((spec) => [spec.name, spec]));
  return codeTensors(tensors, (name) => chainsOf(specs.get(name)!, options));
}

/** The chains to try for a tensor; empty if it is stored unchanged. */
function chainsOf(
  { packing, dtype: own }: ParameterSpec,
  { dtype, entropyCoding: entropy }: PackOptions,
): OpenStep[][] {
  const kept: OpenStep[] = packing?.keptBy === undefined ? [] : [{ codec: "kept", by: packing.keptBy }];
  if (packing?.integers !== undefined) {
    const integers = { codec: "integers", ...packing.integers } as const;
    const plain = [...kept, integers];
    const huffman = { codec: "huffman" } as const;
    return entropy ? [plain, [...plain, huffman], [...kept, huffman]] : [plain];
  }
  if (own !== "float32" || (dtype === "float32" && kept.length === 0)) return [];
  if (dtype === "float32") return [kept];
  const half: OpenStep[] = [...kept, { codec: "half", dtype }];
  return entropy && dtype === "bfloat16" ? [half, [...half, { codec: "dfloat11" }]] : [half];
}
