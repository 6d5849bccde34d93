/** Times encoding and decoding bfloat16 weights against copying them, in one process. */
import { encodeDFloat11, openDFloat11 } from "../coding/dfloat11";
import { draw } from "../models/initialize";
import { narrow } from "../checkpoints/halfPrecision";
import { median } from "./median";

export interface CodingSpeed {
  readonly weights: number;
  /** Coded bits per weight, for random normal weights. */
  readonly bitsPerWeight: number;
  /** In bytes of bfloat16 per second, as are `decoding` and `copying`. */
  readonly encoding: number;
  readonly decoding: number;
  readonly copying: number;
  /** decoding / copying */
  readonly ratio: number;
}

const rounds = 7;
const weights = 2 ** 22;

export function measureCoding(report?: (line: string) => void): CodingSpeed {
  const sample = draw(
    { name: "weights", shape: [weights], dtype: "float32", init: { kind: "normal", std: 0.02 } },
    0,
  );
  const words = narrow(sample as Float32Array, "bfloat16");
  const coded = encodeDFloat11(words);
  const copy = new Uint16Array(weights);
  const [encoding, decoding, copying]: [number[], number[], number[]] = [[], [], []];
  const timed = (into: number[], work: () => void) => {
    const before = performance.now();
    work();
    into.push((performance.now() - before) / 1000);
  };
  for (let round = 0; round < rounds; round++) {
    timed(encoding, () => void encodeDFloat11(words));
    timed(decoding, () => {
      openDFloat11((from, to) => coded.subarray(from, to), coded.length, weights).read(0, weights);
    });
    timed(copying, () => copy.set(words));
    report?.(`round ${round + 1} of ${rounds}`);
  }
  const rate = (seconds: readonly number[]) => words.byteLength / median(seconds);
  return {
    weights,
    bitsPerWeight: (8 * coded.length) / weights,
    encoding: rate(encoding),
    decoding: rate(decoding),
    copying: rate(copying),
    ratio: rate(decoding) / rate(copying),
  };
}
