/** The generator against numbers of CPython's `random.Random(1234)`. */
import { expect, it } from "vitest";
import { PythonRandom } from "../../../../src/backend/evaluation/harness/pythonRandom";

const range = (count: number) => Array.from({ length: count }, (_, i) => i);

it("draws the words of the Mersenne Twister, also after its state is renewed", () => {
  const random = new PythonRandom(1234);
  const words = range(701).map(() => random.next());
  expect(words.slice(0, 3)).toEqual([4150886329, 3342196574, 1892932127]);
  expect(words[700]).toBe(566242753);
});

it("draws Python's floating-point numbers and choices", () => {
  const random = new PythonRandom(1234);
  expect([random.uniform(), random.uniform()]).toEqual([0.9664535356921388, 0.4407325991753527]);
  const other = new PythonRandom(0);
  expect(range(6).map(() => Math.floor(other.uniform() * 10))).toEqual([8, 7, 4, 2, 5, 4]);
});

it("samples from a list of the rest and from a set of the drawn, as Python chooses by size", () => {
  const random = new PythonRandom(1234);
  expect(random.sample(range(10), 3)).toEqual([7, 1, 0]);
  expect(random.sample(range(100), 3)).toEqual([11, 74, 4]);
  expect(random.sample(range(1000), 8)).toEqual([687, 709, 85, 100, 784, 363, 242, 17]);
  expect(random.sample(range(30), 5)).toEqual([0, 25, 11, 20, 19]);
});
