import { totalmem } from "node:os";
import { expect, it } from "vitest";
import { getMemoryLimit, memoryShare } from "../../../src/backend/training/stepMemory";

it("a step may use the same share of the machine's memory on the processor with either engine", () => {
  expect(getMemoryLimit("torch:cpu", totalmem())).toBe(getMemoryLimit("cpu"));
});

it("a step may use a share of a card's memory, and of 8 GiB if that is unknown", () => {
  expect(getMemoryLimit("torch:cuda", 150e9)).toBe(memoryShare * 150e9);
  expect(getMemoryLimit("torch:cuda")).toBe(getMemoryLimit("webgpu"));
  expect(getMemoryLimit("webgpu")).toBeLessThanOrEqual(memoryShare * 8 * 2 ** 30);
});
