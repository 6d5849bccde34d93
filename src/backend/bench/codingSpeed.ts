/** Times the coding of bfloat16 weights beside a plain copy of them, in one process. */
import { encodeDFloat11, openDFloat11 } from "../coding/dfloat11";
import { draw } from "../models/initialise";
import { narrow } from "../checkpoints/halfPrecision";
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
const weights = 2 ** 22;

export function measureCoding(report?: (line: string) => void): CodingSpeed {
  const drawn = draw(
    { name: "weights", shape: [weights], dtype: "float32", init: { kind: "normal", std: 0.02 } },
    0,
  );
  const words = narrow(drawn as Float32Array, "bfloat16");
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
