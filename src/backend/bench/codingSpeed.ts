/** Times the coding of bfloat16 weights beside a plain copy of them, in one process. */
import { encodeDFloat11, openDFloat11 } from "../coding/dfloat11";
import { initialise } from "../models/initialise";
import { shapeFromConfig } from "../models/model";
import { narrow } from "../training/halfPrecision";
import { median } from "./productRate";

export interface CodingSpeed {
  readonly weights: number;
  /** Of a freshly drawn, normal weight. */
  readonly bitsPerWeight: number;
  /** Bytes of bfloat16 a second. */
  readonly encoding: number;
  readonly decoding: number;
  readonly copying: number;
  /** Decoding over copying. */
  readonly ratio: number;
}

const rounds = 7;
const width = 1024;

export function measureCoding(report?: (line: string) => void): CodingSpeed {
  const shape = shapeFromConfig({
    model_type: "gpt2",
    vocab_size: 256,
    n_positions: 64,
    n_embd: width,
    n_layer: 1,
    n_head: 8,
  });
  const drawn = initialise(shape, 0).get("transformer.h.0.mlp.c_fc.weight")!.data as Float32Array;
  const words = narrow(drawn, "bfloat16");
  const coded = encodeDFloat11(words);
  const copy = new Uint16Array(words.length);
  const [encoding, decoding, copying]: [number[], number[], number[]] = [[], [], []];
  const timed = (into: number[], work: () => void) => {
    const before = performance.now();
    work();
    into.push((performance.now() - before) / 1000);
  };
  for (let round = 0; round < rounds; round++) {
    timed(encoding, () => void encodeDFloat11(words));
    timed(decoding, () => {
      openDFloat11((from, to) => coded.subarray(from, to), coded.length, words.length).read(0, words.length);
    });
    timed(copying, () => copy.set(words));
    report?.(`round ${round + 1} of ${rounds}`);
  }
  const rate = (seconds: readonly number[]) => words.byteLength / median(seconds);
  return {
    weights: words.length,
    bitsPerWeight: (8 * coded.length) / words.length,
    encoding: rate(encoding),
    decoding: rate(decoding),
    copying: rate(copying),
    ratio: rate(decoding) / rate(copying),
  };
}
