import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WorkbenchError } from "../../../src/protocol/errors";
import {
  type HostTensor,
  openTensors,
  readSafetensors,
  readTensorSizes,
  writeSafetensors,
} from "../../../src/backend/checkpoints/safetensors";
import { createTemporaryFolder } from "../../support/temporary";
import { encodeTensors } from "../../support/tinyRun";

const folder = createTemporaryFolder();
let files = 0;
const newPath = () => join(folder, `${files++}.safetensors`);

/** A file with any header, given as text or as a value to serialize, followed by any bytes. */
function written(header: unknown, body: Uint8Array = new Uint8Array(), claimed?: bigint): string {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(text.length));
  const path = newPath();
  writeFileSync(path, Buffer.concat([length, text, body]));
  return path;
}

const entry = (dtype: string, shape: readonly number[], start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

describe("a safetensors file", () => {
  const tensors = new Map<string, HostTensor>([
    ["weights", { shape: [2, 3], data: Float32Array.of(1, -0, NaN, Infinity, 1e-45, Math.PI) }],
    ["mask", { shape: [5], data: Uint8Array.of(1, 0, 1, 1, 0) }],
    ["ids", { shape: [2], data: Int32Array.of(-7, 2 ** 31 - 1) }],
    ["one", { shape: [], data: Float32Array.of(42) }],
    ["none", { shape: [0, 4], data: new Float32Array(0) }],
    ["__proto__", { shape: [1], data: Float32Array.of(3) }],
    ['"quoted" \\ {[ü€]}', { shape: [1], data: Float32Array.of(5) }],
  ]);

  it("restores every tensor of each type bit for bit, and the metadata", () => {
    const path = newPath();
    writeSafetensors(path, tensors, { made: "here" });
    const got = readSafetensors(path);
    expect(encodeTensors(got.tensors)).toEqual(encodeTensors(tensors));
    for (const [name, { data }] of got.tensors)
      expect(data.constructor).toBe(tensors.get(name)!.data.constructor);
    expect(got.metadata).toEqual({ format: "pt", made: "here" });
  });

  it("has the same bytes for the same tensors, with data at a multiple of eight bytes", () => {
    const [first, second] = [newPath(), newPath()];
    writeSafetensors(first, tensors);
    writeSafetensors(second, tensors);
    const bytes = readFileSync(first);
    expect(bytes.equals(readFileSync(second))).toBe(true);
    expect(Number(bytes.readBigUInt64LE()) % 8).toBe(0);
  });

  it("reports the size of each tensor in bytes without reading it", () => {
    const path = newPath();
    writeSafetensors(path, tensors);
    expect(Object.fromEntries(readTensorSizes(path))).toMatchObject({
      weights: 24,
      mask: 5,
      ids: 8,
      none: 0,
    });
  });

  it("keeps tensors that start at the same offset as empty ones, in any order of the header", () => {
    const path = written(
      { full: entry("F32", [1], 0, 4), empty: entry("F32", [0], 0, 0) },
      new Uint8Array(4),
    );
    expect([...readSafetensors(path).tensors.keys()].sort()).toEqual(["empty", "full"]);
  });

  it("may hold no tensor at all", () => expect(readSafetensors(written({})).tensors.size).toBe(0));
});

describe("half precision widens exactly", () => {
  const words = Uint16Array.from({ length: 65_536 }, (_, i) => i);
  const body = new Uint8Array(words.buffer);
  const read = (dtype: string) => {
    const path = written({ x: entry(dtype, [256, 256], 0, body.length) }, body);
    return readSafetensors(path).tensors.get("x")!.data as Float32Array;
  };
  /** The value of a sign bit, exponent bits and fraction bits, as IEEE 754 defines it. */
  const numberOf = (word: number, exponentBits: number, fractionBits: number) => {
    const top = 2 ** exponentBits - 1;
    const bias = 2 ** (exponentBits - 1) - 1;
    const sign = word >> 15 ? -1 : 1;
    const exponent = Math.floor(word / 2 ** fractionBits) % 2 ** exponentBits;
    const fraction = (word % 2 ** fractionBits) / 2 ** fractionBits;
    if (exponent === top) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
  };

  it.each([
    ["F16", 5, 10],
    ["BF16", 8, 7],
  ])("%s, all 65,536 patterns", (dtype, exponentBits, fractionBits) => {
    const got = read(dtype);
    const wrong = words.filter((word) => !Object.is(got[word], numberOf(word, exponentBits, fractionBits)));
    expect([...wrong]).toEqual([]);
  });
});

describe("the 8-bit types widen as PyTorch widens them", () => {
  const { numbers } = JSON.parse(readFileSync("test/fixtures/byteFloats.json", "utf8")) as {
    numbers: Record<string, readonly (number | "NaN" | "inf" | "-inf" | "-0")[]>;
  };
  const body = Uint8Array.from({ length: 256 }, (_, i) => i);

  it.each(Object.entries(numbers))("%s, all 256 bytes", (dtype, expected) => {
    const path = written({ x: entry(dtype, [16, 16], 0, 256) }, body);
    using file = openTensors(path);
    const wanted = expected.map((each) => Number(String(each).replace("inf", "Infinity")));
    expect([...file.read("x")]).toEqual(wanted);
    expect([...file.read("x", 100, 130)]).toEqual(wanted.slice(100, 130));
    expect(file.dtypes.get("x")).toBe(dtype);
  });

  it("F64 rounds to the nearest float32", () => {
    const doubles = Float64Array.of(Math.PI, -1e-300, 1e39, 2 ** -149, NaN);
    const path = written({ x: entry("F64", [5], 0, 40) }, new Uint8Array(doubles.buffer));
    using file = openTensors(path);
    expect(file.read("x")).toEqual(Float32Array.from(doubles));
    expect(file.read("x", 1, 3)).toEqual(Float32Array.from(doubles).slice(1, 3));
  });
});

it("reads integers of 64 bits that fit 32, and refuses a larger one", () => {
  const numbers = BigInt64Array.of(0n, -5n, 2n ** 31n - 1n, -(2n ** 31n), 2n ** 31n);
  const path = written({ x: entry("I64", [5], 0, 40) }, new Uint8Array(numbers.buffer));
  using file = openTensors(path);
  expect(file.read("x", 0, 4)).toEqual(Int32Array.of(0, -5, 2 ** 31 - 1, -(2 ** 31)));
  expect(() => file.read("x")).toThrow(/x in .* has the number 2147483648, which is too large/);
});

describe("every type of the format", () => {
  const widths = {
    ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6, BOOL: 8, U8: 8, I8: 8, F8_E4M3: 8, F8_E5M2: 8, F8_E8M0: 8 },
    ...{ F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, U16: 16, I16: 16, F16: 16, BF16: 16, U32: 32, I32: 32, F32: 32 },
    ...{ U64: 64, I64: 64, F64: 64, C64: 64 },
  };

  it.each(Object.entries(widths))("%s has %i bits", (dtype, bits) => {
    const bytes = 8 * bits;
    const path = written({ x: entry(dtype, [8, 8], 0, bytes) }, new Uint8Array(bytes));
    expect(readTensorSizes(path).get("x")).toBe(bytes);
    const short = written({ x: entry(dtype, [8, 8], 0, bytes - 1) }, new Uint8Array(bytes - 1));
    expect(() => readTensorSizes(short)).toThrow(/x \(\[8, 8\] \w+\) claims bytes/);
  });

  it("of less than a byte fills whole bytes", () => {
    expect(() => readTensorSizes(written({ x: entry("F4", [3], 0, 2) }, new Uint8Array(2)))).toThrow(
      /claims/,
    );
    expect(() => readTensorSizes(written({ x: entry("F5", [8], 0, 5) }, new Uint8Array(5)))).toThrow(
      /F5, which the format does not have/,
    );
  });
});

describe("a tensor of a type that is not read", () => {
  const path = written(
    { a: entry("C64", [1], 0, 8), b: entry("F32", [1], 8, 12), c: entry("F4", [8], 12, 16) },
    new Uint8Array(16),
  );

  it("does no harm unless it is requested", () => {
    using file = openTensors(path);
    expect(file.read("b")).toEqual(Float32Array.of(0));
    expect(() => file.read("a")).toThrow(/Unsupported type C64 of a in .*float32/);
    expect(() => file.read("c")).toThrow(/Unsupported type F4 /);
  });

  it("is refused if everything is requested", () => expect(() => readSafetensors(path)).toThrow(/C64/));
});

describe("a part of a tensor", () => {
  it.each(["float32", "bfloat16", "float16"] as const)(
    "of %s equals the stored values, across the chunks in which it is converted",
    (dtype) => {
      const path = newPath();
      const numbers = Float32Array.from({ length: 2 ** 21 + 5 }, (_, i) => (i % 2048) - 1024);
      writeSafetensors(path, new Map([["x", { shape: [numbers.length], data: numbers }]]), {}, dtype);
      using file = openTensors(path);
      const exact = dtype === "bfloat16" ? numbers.map((each) => toBfloat(each)) : numbers;
      for (const [from, to] of [
        [3, 9],
        [2 ** 21 - 2, 2 ** 21 + 5],
        [2 ** 21, 2 ** 21 + 100],
        [2 ** 22, 2 ** 22 + 1],
      ] as const)
        expect(file.read("x", from, to)).toEqual(exact.slice(from, to));
      // A comparison that shows where they differ takes many seconds.
      expect(Buffer.from(file.read("x").buffer).equals(Buffer.from(exact.buffer))).toBe(true);
    },
  );

  /** A whole number below 2^11 with eight significant bits, ties to even. */
  function toBfloat(value: number): number {
    const step = 2 ** Math.max(0, Math.floor(Math.log2(Math.abs(value) || 1)) - 7);
    const [low, rest] = [Math.floor(Math.abs(value) / step), (Math.abs(value) / step) % 1];
    const rounded = rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
    return Math.sign(value) * rounded * step;
  }
});

describe("an untrusted file", () => {
  const sixteen = new Uint8Array(16);
  const cases: readonly (readonly [what: string, path: () => string, says: string])[] = [
    ["is empty", () => written("", undefined, undefined), "header is not valid JSON"],
    ["is shorter than the length field", () => cut(written({}), 5), "has only 5 bytes"],
    [
      "claims a longer header than the file",
      () => written({}, sixteen, 1000n),
      "header length is 1000 bytes, but the file has 26",
    ],
    [
      "claims an absurd header",
      () => written({}, sixteen, 2n ** 64n - 1n),
      "header length is 18446744073709552000 bytes",
    ],
    [
      "claims a negative header",
      () => written({}, sixteen, 2n ** 63n),
      "truncated or not a safetensors file",
    ],
    [
      "claims a header of more than 100 MiB",
      () => padded(101 * 2 ** 20),
      "truncated or not a safetensors file",
    ],
    [
      "claims a shorter header than it has",
      () => written({ a: entry("F32", [4], 0, 16) }, sixteen, 9n),
      "not valid JSON",
    ],
    ["is not JSON", () => written("not a header"), "header is not valid JSON"],
    ["is JSON, but a list", () => written("[1,2]"), "not a JSON object"],
    ["is JSON, but null", () => written("null"), "not a JSON object"],
    ["is JSON, but a number", () => written("12"), "not a JSON object"],
    ["is JSON of endless depth", () => written("[".repeat(200_000)), "header is not valid JSON"],
    ["lacks offsets", () => written({ a: { dtype: "F32", shape: [1] } }), "invalid entry a"],
    ["has a string for an entry", () => written({ a: "F32" }), "invalid entry a"],
    [
      "has metadata that is not text",
      () => written({ __metadata__: { a: 1 } }),
      "invalid entry __metadata__",
    ],
    ["has a negative size", () => written({ a: entry("F32", [-4], 0, 16) }, sixteen), "invalid entry a"],
    ["has a fractional size", () => written({ a: entry("F32", [1.5], 0, 6) }, sixteen), "invalid entry a"],
    [
      "has a size beyond exact integers",
      () => written({ a: entry("F32", [1e300], 0, 16) }, sixteen),
      "invalid entry a",
    ],
    ["has a negative offset", () => written({ a: entry("F32", [4], -16, 0) }, sixteen), "invalid entry a"],
    [
      "has an unknown type",
      () => written({ a: entry("F7", [16], 0, 16) }, sixteen),
      "a is F7, which the format does not have",
    ],
    [
      "has a type named constructor",
      () => written({ a: entry("constructor", [16], 0, 16) }, sixteen),
      "constructor",
    ],
    ["ends after the last byte", () => written({ a: entry("F32", [8], 0, 32) }, sixteen), "do not fit"],
    ["ends before it starts", () => written({ a: entry("F32", [4], 16, 0) }, sixteen), "do not fit"],
    ["has a shape of another size", () => written({ a: entry("F32", [3], 0, 16) }, sixteen), "do not fit"],
    [
      "has sizes whose product overflows",
      () => written({ a: entry("F32", [2 ** 52, 2 ** 52], 0, 16) }, sixteen),
      "do not fit",
    ],
    [
      "overlaps",
      () => written({ a: entry("F32", [2], 0, 8), b: entry("F32", [3], 4, 16) }, sixteen),
      "b ([3] F32) claims bytes 4 to 16",
    ],
    [
      "uses the same bytes twice",
      () => written({ a: entry("F32", [4], 0, 16), b: entry("F32", [4], 0, 16) }, sixteen),
      "do not fit",
    ],
    [
      "leaves a gap",
      () => written({ a: entry("F32", [1], 0, 4), b: entry("F32", [2], 8, 16) }, sixteen),
      "b ([2] F32) claims bytes 8 to 16",
    ],
    ["starts late", () => written({ a: entry("F32", [3], 4, 16) }, sixteen), "do not fit"],
    [
      "has extra bytes at the end",
      () => written({ a: entry("F32", [3], 0, 12) }, sixteen),
      "4 bytes do not belong to any tensor",
    ],
    ["has bytes and no tensor", () => written({}, sixteen), "16 bytes do not belong to any tensor"],
    [
      "names a tensor twice",
      () =>
        written(
          '{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
          sixteen,
        ),
      "has a duplicate name",
    ],
    [
      "names a tensor twice, once with an escape",
      () =>
        written(
          '{"a":{"dtype":"I32","shape":[4],"data_offsets":[0,16]},"\\u0061":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
          sixteen,
        ),
      "has a duplicate name",
    ],
    [
      "has a Boolean of 2",
      () => written({ a: entry("BOOL", [2], 0, 2) }, Uint8Array.of(1, 2)),
      "bytes other than 0 and 1",
    ],
  ];

  function cut(path: string, bytes: number): string {
    truncateSync(path, bytes);
    return path;
  }

  function padded(bytes: number): string {
    const path = written({}, undefined, BigInt(bytes));
    truncateSync(path, bytes + 8); // The rest of the file is sparse and takes no space.
    return path;
  }

  it.each(cases)("%s: refused as corrupt, with the file and the reason", (_, make, says) => {
    const path = make();
    const thrown = failure(() => readSafetensors(path));
    expect(thrown.code).toBe("corrupt");
    expect(thrown.message).toContain(path);
    expect(thrown.message).toContain(says);
    expect(thrown.message).toContain("Use another copy");
  });

  it("is refused wherever it is truncated", () => {
    const whole = newPath();
    writeSafetensors(whole, new Map([["a", { shape: [3], data: Float32Array.of(1, 2, 3) }]]));
    const bytes = readFileSync(whole);
    const path = newPath();
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      expect(failure(() => readSafetensors(path)).code, `${length} bytes`).toBe("corrupt");
    }
  });

  it("cannot change other objects by the name __proto__", () => {
    const path = written('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', new Uint8Array(4));
    expect([...readSafetensors(path).tensors.keys()]).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["dtype"]).toBeUndefined();
  });
});

function failure(act: () => unknown): WorkbenchError {
  try {
    act();
  } catch (thrown) {
    return thrown as WorkbenchError;
  }
  throw new Error("Nothing was thrown.");
}
