import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { bundle, programs } from "../../scripts/bundle";
import { measureParts } from "../../scripts/bundleParts";

const folder = mkdtempSync(join(tmpdir(), "lathe-sizes-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("programs with a loading time", () => {
  const limited = programs.flatMap((program) =>
    program.mostBytes === undefined ? [] : [{ ...program, most: program.mostBytes }],
  );

  test("are the program of the host and every page", () => {
    const pages = programs.filter(({ browser }) => browser === true);
    expect(pages.length).toBeGreaterThan(4);
    expect(limited.map(({ file }) => file)).toEqual(
      expect.arrayContaining(["extension.cjs", ...pages.map(({ file }) => file)]),
    );
  });

  test.each(limited)("$file is at most $most bytes", async ({ most, ...program }) => {
    expect(await bundle(program, folder)).toBeLessThanOrEqual(most);
  });

  test("the host's program computes nothing, so it contains no package", async () => {
    const host = programs.find(({ file }) => file === "extension.cjs")!;
    const parts = [...(await measureParts(host)).keys()];
    expect(parts).toContain("src/extension/views");
    expect(parts.filter((part) => part.startsWith("package "))).toEqual([]);
  });
});
