/** The licenses of the bundled packages and of those shipped next to the bundles. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { bundledFiles, isPresent, programs } from "./bundle";

/** Shipped as separate packages. */
const beside = ["onnxruntime-node", "onnxruntime-common", "tokenizers"];

export async function thirdPartyNotices(root: string): Promise<string> {
  const folders = new Set(beside.map((name) => `node_modules/${name}`));
  for (const program of programs.filter(isPresent))
    for (const file of (await bundledFiles(program)).keys()) {
      const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0];
      if (folder !== undefined) folders.add(folder);
    }
  const notices = await Promise.all([...folders].map((folder) => notice(root, folder)));
  const head = "Lathe contains the following packages, each under its own license as given below.\n";
  return [head, ...notices.sort()].join(`\n${"-".repeat(80)}\n\n`);
}

async function notice(root: string, folder: string): Promise<string> {
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
  const who = typeof author === "string" ? author : author?.name;
  const full =
    file === undefined
      ? `License: ${license!}${who === undefined ? "" : `. Copyright ${who}`}\n`
      : await readFile(path.join(root, folder, file), "utf8");
  return `${name} ${version}${license === undefined ? "" : ` (${license})`}\n\n${full.trim()}\n`;
}
