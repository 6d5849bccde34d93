/** What a package of the extension holds for one platform, and what may not be in it. */
import { galleryPagePath } from "./galleryPage";

const runtime = "node_modules/onnxruntime-node/bin/napi-v6";
const tokenizers = "node_modules/tokenizers";

/** The native tokenizer library of a platform. */
function getTokenizerBinary(target: string): string {
  const abi = target.startsWith("linux") ? "-gnu" : target.startsWith("win32") ? "-msvc" : "";
  return `${tokenizers}/tokenizers.${target}${abi}.node`;
}

/** The platforms for which ONNX Runtime has binaries. */
export const platforms: readonly string[] = [
  "linux-x64",
  "linux-arm64",
  "darwin-arm64",
  "win32-x64",
  "win32-arm64",
];

export interface PackedFile {
  readonly name: string;
  readonly bytes: number;
}

/** The marketplace takes more, but nobody waits gladly. */
const maxBytes = 60e6;
/** A page crosses the network wherever the editor is remote. */
export const maxPageBytes = 500e3;

const requiredFiles = [
  "package.json",
  "package.nls.json",
  "l10n/bundle.l10n.json",
  galleryPagePath,
  "LICENSE",
  "dist/extension.cjs",
  "dist/backend.cjs",
  "dist/runProcess.cjs",
  "dist/THIRD-PARTY-NOTICES.txt",
  "dist/pages/renderer.js",
  "dist/pages/runs.js",
  "dist/pages/charts.js",
  "dist/pages/parameters.js",
  "dist/pages/shrink.js",
  "dist/pages/weights.js",
  // The PyTorch engine, which the user's Python runs.
  "python/lathe_torch/__init__.py",
  "python/lathe_torch/__main__.py",
  "python/lathe_torch/devices.py",
  "python/lathe_torch/graph.py",
  "python/lathe_torch/operations.py",
  "media/icon.png",
  "examples/quick.lathe.md",
  "node_modules/onnxruntime-node/dist/index.js",
  `${tokenizers}/index.js`,
  // Marks the files next to it as CommonJS, which the package itself does not.
  "node_modules/onnxruntime-common/dist/cjs/package.json",
];

/** Lines for the ignore file: the binaries that the platform loads, each once, and none of CUDA, which is installed apart. */
export function createPlatformLines(target: string): readonly string[] {
  const folder = `${runtime}/${target.replace("-", "/")}`;
  const libraries = ["*.node", "*.dll", "libonnxruntime.so.*", "libonnxruntime.?.dylib"];
  return [...libraries.map((file) => `!${folder}/${file}`), `!${getTokenizerBinary(target)}`];
}

/** What ONNX Runtime loads first on the platform. */
export const getRuntimeBinding = (target: string) =>
  `${runtime}/${target.replace("-", "/")}/onnxruntime_binding.node`;

/** One line a fault; none for a package as it should be. */
export function findContentFaults(
  target: string,
  files: readonly PackedFile[],
  bytes: number,
): readonly string[] {
  const names = new Set(files.map(({ name }) => name));
  const platformFolder = `${runtime}/${target.replace("-", "/")}/`;
  return [
    ...[...requiredFiles, getRuntimeBinding(target), getTokenizerBinary(target)]
      .filter((name) => !names.has(name))
      .map((name) => `missing: ${name}`),
    ...files
      .filter(({ name }) => {
        const isRuntime = name.startsWith(runtime) && !name.startsWith(platformFolder);
        const isTokenizer = name.startsWith(`${tokenizers}/`) && name.endsWith(".node");
        return isRuntime || (isTokenizer && name !== getTokenizerBinary(target));
      })
      .map(({ name }) => `of another platform: ${name}`),
    ...files
      .filter(
        ({ name }) =>
          /^(src|test|scripts|webview|\.)|\.(map|ts)$|\.schema\.json$/.test(name) ||
          (name.startsWith("python/") && !/^python\/lathe_torch\/.*\.py$/.test(name)),
      )
      .map(({ name }) => `of no use there: ${name}`),
    ...files
      .filter(({ name, bytes }) => name.startsWith("dist/pages/") && bytes > maxPageBytes)
      .map(({ name, bytes }) => `too large for a page: ${name}, ${(bytes / 1000).toFixed(0)} kB`),
    ...(bytes > maxBytes ? [`too large: ${(bytes / 1e6).toFixed(1)} MB, at most ${maxBytes / 1e6} MB`] : []),
  ];
}
