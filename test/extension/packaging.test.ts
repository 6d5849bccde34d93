import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createThirdPartyNotices } from "../../scripts/notices";
import { findForeignBinaries } from "../../scripts/pruneBinaries";
import { findContentFaults, createPlatformLines, platforms } from "../../scripts/packageContent";

const root = fileURLToPath(new URL("../..", import.meta.url));
const runtime = "node_modules/onnxruntime-node/bin/napi-v6";

test("a package contains the common files and the binaries of its platform", () => {
  const everywhere = readFileSync(path.join(root, ".vscodeignore"), "utf8");
  expect(everywhere.split("\n").find((line) => line !== "" && !line.startsWith("#"))).toBe("**");
  expect(everywhere).not.toContain("/bin/");
  for (const platform of platforms)
    for (const line of createPlatformLines(platform)) {
      const isRuntime = line.startsWith(`!${runtime}/${platform.replace("-", "/")}/`);
      const tokenizer = line.replace("!", "");
      // A file that the package of the library contains, for this platform.
      const isTokenizer =
        tokenizer.includes(`tokenizers.${platform}`) && existsSync(path.join(root, tokenizer));
      expect(isRuntime || isTokenizer, line).toBe(true);
    }
});

test("missing, foreign, unused and too large files of a package are named", () => {
  const files = [
    `${runtime}/linux/x64/onnxruntime_binding.node`,
    `${runtime}/darwin/arm64/onnxruntime_binding.node`,
    "node_modules/tokenizers/tokenizers.linux-x64-gnu.node",
    "node_modules/tokenizers/tokenizers.linux-x64-musl.node",
    "src/cli/main.ts",
    "dist/extension.cjs.map",
    "python/lathe_torch/graph.py",
    "python/lathe_torch/__pycache__/graph.cpython-312.pyc",
    "python/ruff.toml",
  ].map((name) => ({ name, bytes: 1 }));
  const faults = findContentFaults(
    "linux-x64",
    [...files, { name: "dist/pages/runs.js", bytes: 600_000 }],
    1e9,
  );
  expect(faults).toContain("missing: dist/backend.cjs");
  expect(faults).not.toContain("missing: dist/pages/runs.js");
  expect(faults).toContain("missing: python/lathe_torch/__main__.py");
  expect(faults).not.toContain("missing: python/lathe_torch/graph.py");
  expect(faults.filter((fault) => !fault.startsWith("missing"))).toEqual([
    `of another platform: ${runtime}/darwin/arm64/onnxruntime_binding.node`,
    "of another platform: node_modules/tokenizers/tokenizers.linux-x64-musl.node",
    "of no use there: src/cli/main.ts",
    "of no use there: dist/extension.cjs.map",
    "of no use there: python/lathe_torch/__pycache__/graph.cpython-312.pyc",
    "of no use there: python/ruff.toml",
    "too large for a page: dist/pages/runs.js, 600 kB",
    "too large: 1000.0 MB, at most 60 MB",
  ]);
});

test("the Python package is in every package where the programs look for it, and nothing else of its folder", () => {
  const lines = readFileSync(path.join(root, ".vscodeignore"), "utf8").split("\n");
  expect(lines.filter((line) => line.includes("python"))).toEqual(["!python/lathe_torch/**/*.py"]);
  const folder = path.join(root, "python/lathe_torch");
  const modules = readdirSync(folder).filter((file) => file.endsWith(".py"));
  const required = findContentFaults("linux-x64", [], 0).flatMap((fault) => {
    const name = /^missing: python\/lathe_torch\/(?<name>.*)$/.exec(fault)?.groups?.["name"];
    return name === undefined ? [] : [name];
  });
  expect(required.length).toBeGreaterThan(0);
  expect(required.filter((name) => !modules.includes(name))).toEqual([]);
  // Sources and bundles find the same folder: the bundles are in dist/, beside python/.
  expect(readFileSync(path.join(root, "src/backend/engine/torch/interpreter.ts"), "utf8")).toContain(
    'join(program, "../python")',
  );
});

test("the notices name every bundled package and the runtime with their licenses", async () => {
  const notices = await createThirdPartyNotices(root);
  for (const name of ["onnxruntime-node", "tokenizers", "zod", "lit-html", "chart.js", "yaml"])
    expect(notices).toMatch(new RegExp(`^${name.replace(".", "\\.")} \\d+\\.\\d+\\.\\d+ \\([^)]+\\)$`, "m"));
  expect(notices).not.toMatch(/^(vscode|esbuild|typescript) \d/m);
});

test("pruning keeps exactly the binaries that this platform may load", () => {
  const modules = mkdtempSync(path.join(tmpdir(), "lathe-modules-"));
  try {
    const files = [
      ...["linux/x64/a.node", "linux/arm64/a.node", "win32/x64/a.node"].map(
        (name) => `onnxruntime-node/bin/napi-v6/${name}`,
      ),
      ...["linux-x64-gnu", "linux-x64-musl", "linux-arm64-gnu", "darwin-universal", "win32-x64-msvc"].map(
        (name) => `tokenizers/tokenizers.${name}.node`,
      ),
      "tokenizers/index.js",
    ];
    for (const file of files) {
      mkdirSync(path.dirname(path.join(modules, file)), { recursive: true });
      writeFileSync(path.join(modules, file), "");
    }
    const foreign = (platform: string, arch: string) =>
      findForeignBinaries(modules, platform, arch).map((file) =>
        path.relative(modules, file).replaceAll("\\", "/").replace("onnxruntime-node/bin/napi-v6/", ""),
      );
    expect(foreign("linux", "x64")).toEqual([
      "linux/arm64",
      "win32",
      "tokenizers/tokenizers.darwin-universal.node",
      "tokenizers/tokenizers.linux-arm64-gnu.node",
      "tokenizers/tokenizers.win32-x64-msvc.node",
    ]);
    expect(foreign("darwin", "arm64")).not.toContain("tokenizers/tokenizers.darwin-universal.node");
  } finally {
    rmSync(modules, { recursive: true });
  }
});
