import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { thirdPartyNotices } from "../../scripts/notices";
import { contentFaults, platformLines, platforms } from "../../scripts/packageContent";

const root = fileURLToPath(new URL("../..", import.meta.url));
const runtime = "node_modules/onnxruntime-node/bin/napi-v6";

test("a package adds the binaries of its own platform to what every package holds", () => {
  const everywhere = readFileSync(path.join(root, ".vscodeignore"), "utf8");
  expect(everywhere.split("\n").find((line) => line !== "" && !line.startsWith("#"))).toBe("**");
  expect(everywhere).not.toContain("/bin/");
  for (const platform of platforms)
    for (const line of platformLines(platform))
      expect(line.startsWith(`!${runtime}/${platform.replace("-", "/")}/`)).toBe(true);
});

test("what is missing, foreign, useless or too large in a package is named", () => {
  const files = [
    `${runtime}/linux/x64/onnxruntime_binding.node`,
    `${runtime}/darwin/arm64/onnxruntime_binding.node`,
    "src/cli/main.ts",
    "dist/extension.cjs.map",
  ].map((name) => ({ name, bytes: 1 }));
  const faults = contentFaults("linux-x64", [...files, { name: "dist/pages/runs.js", bytes: 600_000 }], 1e9);
  expect(faults).toContain("missing: dist/backend.cjs");
  expect(faults).not.toContain("missing: dist/pages/runs.js");
  expect(faults.filter((fault) => !fault.startsWith("missing"))).toEqual([
    `of another platform: ${runtime}/darwin/arm64/onnxruntime_binding.node`,
    "of no use there: src/cli/main.ts",
    "of no use there: dist/extension.cjs.map",
    "too large for a page: dist/pages/runs.js, 600 kB",
    "too large: 1000.0 MB, at most 60 MB",
  ]);
});

test("every bundled package is named with its licence, and the runtime that lies beside", async () => {
  const notices = await thirdPartyNotices(root);
  for (const name of ["onnxruntime-node", "zod", "lit-html", "chart.js", "yaml"])
    expect(notices).toMatch(new RegExp(`^${name.replace(".", "\\.")} \\d+\\.\\d+\\.\\d+ \\([^)]+\\)$`, "m"));
  expect(notices).not.toMatch(/^(vscode|esbuild|typescript) \d/m);
});
