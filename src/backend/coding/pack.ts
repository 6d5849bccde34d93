/** The tensors of a model in the bits that are counted for them: masks and codes as they say themselves, and what masks keep. */
import { parametersOf } from "../models/model";
import type { ParameterSpec } from "../representations/representation";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { StoredDtype } from "../checkpoints/halfPrecision";
import { type CodedTensors, codeTensors } from "./codedTensors";
import type { OpenStep } from "./codecs";

export interface PackOptions {
  /** Type of what is no code and no mask. */
  readonly dtype: StoredDtype;
  /** Whether codes, masks and bfloat16 weights are also written in a prefix code, where that takes less. */
  readonly entropyCoding: boolean;
}

export function pack(
  { shape, tensors }: Pick<Checkpoint, "shape" | "tensors">,
  options: PackOptions,
): CodedTensors {
  const specs = new Map(parametersOf(shape).map((spec) => [spec.name, spec]));
  return codeTensors(tensors, (name) => chainsOf(specs.get(name)!, options));
}

/** The ways to write a tensor that are worth trying; none where it stays as it is. */
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
