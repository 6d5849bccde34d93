import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { getPathPrefix, writePrograms } from "../../src/extension/terminalPrograms";
import { temporaryFolder } from "../backend/data/fixtures";

test("a shell finds the command line and hands over every argument, wherever the extension is", () => {
  const folder = join(temporaryFolder(), "it's 100 % here");
  mkdirSync(folder);
  const script = join(folder, "lathe.cjs");
  writeFileSync(script, "console.log(JSON.stringify(process.argv.slice(2)))");
  const bin = join(folder, "bin");
  for (let time = 0; time < 2; time++) writePrograms(bin, { node: process.execPath, script });
  const output = execFileSync("/bin/sh", ["-c", `lathe run "a b" '$x'`], {
    env: { PATH: `${getPathPrefix(bin)}/usr/bin:/bin` },
    encoding: "utf8",
  });
  expect(JSON.parse(output)).toEqual(["run", "a b", "$x"]);
  expect(readFileSync(join(bin, "lathe.cmd"), "utf8")).toContain("100 %% here");
});
