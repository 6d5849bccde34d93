import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeBlocks } from "../../../src/backend/checkpoints/gguf/decodeBlocks";
import {
  encodeBlocks,
  encodeCodes,
  type WrittenType,
} from "../../../src/backend/checkpoints/gguf/encodeBlocks";
import { type GgufTypeName, ggufTypes } from "../../../src/backend/checkpoints/gguf/types";
import { drawNormals } from "../../support/normals";

interface Figures {
  readonly numbers?: string;
  readonly blocks: string;
  readonly values: string;
}

/** Written by scripts/reference/ggufBlocks.py. */
const { types } = JSON.parse(readFileSync(new URL("../../fixtures/gguf.json", import.meta.url), "utf8")) as {
  types: Record<GgufTypeName, Figures>;
};

const toBytes = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
const toFloats = (text: string) => new Float32Array(toBytes(text).buffer);

const written = ["F16", "BF16", "Q8_0", "Q4_0"] as const;

it("has figures for every type but float32", () =>
  expect(Object.keys(types).sort()).toEqual(
    Object.keys(ggufTypes)
      .filter((name) => name !== "F32")
      .sort(),
  ));

it.each(Object.keys(types) as GgufTypeName[])("decodes %s as the package gguf does", (name) => {
  const { blocks, values } = types[name];
  expect(decodeBlocks(name, toBytes(blocks))).toEqual(toFloats(values));
});

it.each(written)("encodes %s as the package gguf does", (name) => {
  const { numbers, blocks } = types[name];
  expect(encodeBlocks(name, toFloats(numbers!))).toEqual(toBytes(blocks));
});

describe("types with super-blocks", () => {
  const numbers = drawNormals(4096, 5);
  const errorOf = (name: WrittenType, data = numbers) => {
    const decoded = decodeBlocks(name, new Uint8Array(encodeBlocks(name, data)));
    const squares = (values: Float32Array) => values.reduce((sum, each) => sum + each ** 2, 0);
    return Math.sqrt(squares(decoded.map((each, i) => each - data[i]!)) / squares(data));
  };

  it("are closer than types of as many bits without", () => {
    const [q8, q6, q4k, q4] = (["Q8_0", "Q6_K", "Q4_K", "Q4_0"] as const).map((name) => errorOf(name));
    expect(q6).toBeLessThan(0.025);
    expect(q4k).toBeLessThan(0.08);
    expect(q8!).toBeLessThan(q6!);
    expect(q6!).toBeLessThan(q4k!);
    expect(q4k!).toBeLessThan(0.9 * q4!);
  });

  it("follow numbers that are far from zero", () =>
    expect(
      errorOf(
        "Q4_K",
        numbers.map((each) => each / 10 + 3),
      ),
    ).toBeLessThan(0.04));

  it.each(["Q8_0", "Q4_0", "Q4_K", "Q6_K"] as const)("%s keeps zeros and single numbers", (name) => {
    const zeros = new Float32Array(256);
    expect(decodeBlocks(name, new Uint8Array(encodeBlocks(name, zeros))).every((each) => each === 0)).toBe(
      true,
    );
    const single = zeros.map((_, i) => (i === 77 ? -3 : 0));
    const decoded = decodeBlocks(name, new Uint8Array(encodeBlocks(name, single)));
    expect(decoded[77]).toBeCloseTo(-3, 2);
    const others = Math.max(...decoded.map((each, i) => (i === 77 ? 0 : Math.abs(each))));
    // With a minimum of each sub-block, zeros beside the number are as exact as the minimum is.
    expect(others).toBeLessThanOrEqual(name === "Q4_K" ? 0.005 : 0);
  });
});

it.each([
  ["Q4_0", -8, 7],
  ["Q8_0", -128, 127],
] as const)("stores codes of %s from %d to %d as they are", (name, low, high) => {
  const codes = Int8Array.from({ length: 64 }, (_, i) =>
    i % 5 === 0 ? low : i % 5 === 1 ? high : (i % 7) - 3,
  );
  const scales = Float32Array.of(0.25, -0.5);
  const decoded = decodeBlocks(name, new Uint8Array(encodeCodes(name, codes, scales)));
  expect([...decoded]).toEqual([...codes].map((code, i) => code * scales[i >> 5]!));
});
