/** Short names of the experiments included with Lathe. */
import { expect, it } from "vitest";
import { findExperiment } from "../../../src/backend/bench/findExperiment";

const papers = "examples/papers";

it.each([
  ["kphi3-55C", "examples/papers/kphi3/JP47D55C.lathe.md"],
  ["JP47D54C", "examples/papers/kphi3/JP47D54C.lathe.md"],
  ["gpt2-small", "examples/papers/gpt2/gpt2-small.lathe.md"],
  ["examples/quick.lathe.md", "examples/quick.lathe.md"],
])("%s is %s", (name, file) => {
  expect(findExperiment(name, papers).replaceAll("\\", "/")).toBe(file);
});

it("an unknown name is refused with the known ones", () => {
  expect(() => findExperiment("kphi3-99Z", papers)).toThrow(
    /^There is no experiment kphi3-99Z: give the path of an experiment file, or one of .*JP47D55C/,
  );
  expect(() => findExperiment("kphi3-C", papers)).toThrow(/^There is no experiment kphi3-C alone: /);
});
