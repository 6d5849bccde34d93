/** The licenses of the bundled packages and of those shipped next to the bundles. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { measureBundledFiles, isPresent, programs } from "./bundle";

/** Shipped as separate packages. */
const separatePackages = ["onnxruntime-node", "onnxruntime-common", "tokenizers"];

export async function createThirdPartyNotices(root: string): Promise<string> {
  const folders = new Set(separatePackages.map((name) => `node_modules/${name}`));
  for (const program of programs.filter(isPresent))
    for (const file of (await measureBundledFiles(program)).keys()) {
      const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
      if (folder !== undefined) folders.add(folder);
    }
  const notices = await Promise.all([...folders].map((folder) => createNotice(root, folder)));
  const introduction = "Lathe contains the following packages, each under its own license as given below.\n";
  return [introduction, ...notices.sort()].join(`\n${"-".repeat(80)}\n\n`);
}

async function createNotice(root: string, folder: string): Promise<string> {
  const text = await readFile(path.join(root, folder, "package.json"), "utf8");
  const { name, version, license, author } = JSON.parse(text) as {
    readonly name: string;
    readonly version: string;
    readonly license?: string;
    readonly author?: string | { readonly name?: string };
  };
  const files = await readdir(path.join(root, folder));
  const file = files.find((each) => /^(licen[cs]e|copying)/i.test(each));
  if (license === undefined && file === undefined)
    throw new Error(`${name} ${version} names no license, so it cannot be shipped.`);
  const authorName = typeof author === "string" ? author : author?.name;
  const licenseText =
    file === undefined
      ? `License: ${license!}${authorName === undefined ? "" : `. Copyright ${authorName}`}\n`
      : await readFile(path.join(root, folder, file), "utf8");
  return `${name} ${version}${license === undefined ? "" : ` (${license})`}\n\n${licenseText.trim()}\n`;
}
