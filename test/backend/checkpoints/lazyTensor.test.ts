/** Tensors that are read from their file when they are used: the same values as at once, and never those of another file. */
import { renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LazyTensor, smallestLazyBytes } from "../../../src/backend/checkpoints/lazyTensor";
import {
  dtypeOf,
  type HostTensor,
  type HostTensors,
  readLazily,
  readSafetensors,
  writeSafetensors,
} from "../../../src/backend/checkpoints/safetensors";
import { createTemporaryFolder } from "../../support/temporary";
import { encodeTensors } from "../../support/tinyRun";

const folder = createTemporaryFolder();
let files = 0;
const newPath = () => join(folder, `${files++}.safetensors`);

const size = smallestLazyBytes;
const tensors: HostTensors = new Map<string, HostTensor>([
  ["small", { shape: [3], data: Float32Array.of(1, -0, 1e-45) }],
  ["weights", { shape: [4, size / 8], data: Float32Array.from({ length: size / 2 }, (_, i) => Math.sin(i)) }],
  ["mask", { shape: [size], data: Uint8Array.from({ length: size }, (_, i) => (i % 3) & 1) }],
  ["codes", { shape: [size], data: Int8Array.from({ length: size }, (_, i) => i) }],
  ["ids", { shape: [size], data: Int32Array.from({ length: size }, (_, i) => -i) }],
]);
const large = ["weights", "mask", "codes", "ids"];

function write(dtype?: "bfloat16" | "float16"): string {
  const path = newPath();
  writeSafetensors(path, tensors, { made: "here" }, dtype);
  return path;
}

describe("a lazy tensor", () => {
  it.each([undefined, "bfloat16", "float16"] as const)("has the same values as at once, from %s", (dtype) => {
    const path = write(dtype);
    const [lazy, whole] = [readLazily(path), readSafetensors(path)];
    expect(lazy.metadata).toEqual(whole.metadata);
    expect([...lazy.tensors.keys()]).toEqual([...whole.tensors.keys()]);
    expect([...lazy.tensors].filter(([, each]) => each instanceof LazyTensor).map(([name]) => name)).toEqual(
      large,
    );
    for (const [name, each] of lazy.tensors) expect(dtypeOf(each)).toBe(dtypeOf(whole.tensors.get(name)!));
    expect(encodeTensors(lazy.tensors)).toEqual(encodeTensors(whole.tensors));
  });

  it("is a new array at each use", () => {
    const { tensors: lazy } = readLazily(write());
    const weights = lazy.get("weights")!;
    weights.data[0] = 7;
    expect(weights.data[0]).toBe(0);
  });

  it("is written to another file without being changed", () => {
    const [path, copy] = [write(), newPath()];
    writeSafetensors(copy, readLazily(path).tensors);
    expect(encodeTensors(readSafetensors(copy).tensors)).toEqual(encodeTensors(tensors));
  });

  it.each<readonly [string, (path: string) => void, RegExp]>([
    ["replaced", (path) => renameSync(write("bfloat16"), path), /has changed while its weights were in use/],
    [
      "written again with the same content",
      (path) => {
        writeSafetensors(path, tensors, { made: "here" });
        utimesSync(path, 1, 1);
      },
      /has changed while/,
    ],
    ["cut", (path) => writeFileSync(path, "short"), /has changed while/],
    ["removed", (path) => rmSync(path), /can no longer be opened while its weights were in use/],
  ])("is refused once its file was %s; small tensors remain", (_, change, message) => {
    const path = write();
    const { tensors: lazy } = readLazily(path);
    change(path);
    for (const name of large) expect(() => lazy.get(name)!.data).toThrow(message);
    expect(lazy.get("small")!.data).toEqual(tensors.get("small")!.data);
  });

  it("is refused at once if its type is unknown, and at its use if a boolean is neither 0 nor 1", () => {
    const write = (dtype: string, width: number) => {
      const path = newPath();
      const header = Buffer.from(
        JSON.stringify({ x: { dtype, shape: [size], data_offsets: [0, size * width] } }),
      );
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(header.length));
      writeFileSync(path, Buffer.concat([length, header, Buffer.alloc(size * width, 2)]));
      return path;
    };
    expect(() => readLazily(write("C64", 8))).toThrow("Unsupported type C64 of x");
    expect(() => readLazily(write("BOOL", 1)).tensors.get("x")!.data).toThrow(
      "x is boolean, but has bytes other than 0 and 1",
    );
  });
});
