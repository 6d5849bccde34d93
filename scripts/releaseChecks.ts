/** What has to hold before a version is published. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { placeholder } from "./galleryPage";
import { getRuntimeBinding, platforms } from "./packageContent";

export interface ReleasedManifest {
  readonly version: string;
  readonly publisher: string;
  readonly repository: { readonly url: string };
  readonly bugs: { readonly url: string };
  readonly homepage: string;
}

/** One line a fault; none for a version that can be published. */
export function findReleaseFaults(manifest: ReleasedManifest, changelog: string): readonly string[] {
  const { version, repository, bugs, homepage } = manifest;
  const addresses = { repository: repository.url, bugs: bugs.url, homepage };
  const sections = new Map(
    changelog
      .split(/^## /m)
      .slice(1)
      .map((section) => {
        const [title = "", ...lines] = section.split("\n");
        return [title, lines.some((line) => line.startsWith("- "))] as const;
      }),
  );
  const dated = [...sections.keys()].find((title) => title.startsWith(`${version} `));
  return [
    ...Object.entries(addresses)
      .filter(([, address]) => address.split(/[/#]/).includes(placeholder))
      .map(
        ([field, address]) => `package.json: "${field}" is the placeholder ${address}. Set the real address.`,
      ),
    ...(/^\d+\.\d+\.\d+$/.test(version)
      ? []
      : [`package.json: the galleries accept a version of three numbers, not ${version}.`]),
    ...(dated !== undefined && / \d{4}-\d{2}-\d{2}$/.test(dated)
      ? []
      : [`CHANGELOG.md has no section "## ${version} – <date>".`]),
    ...(sections.get("Unreleased") === true
      ? [
          `CHANGELOG.md: what is under "Unreleased" belongs to the section of ${version}, or to a later version.`,
        ]
      : []),
  ];
}

/** The binaries of every platform have to be installed, not only those of this one. */
export function findMissingBinaries(root: string): readonly string[] {
  return platforms
    .map(getRuntimeBinding)
    .filter((file) => !existsSync(join(root, file)))
    .map((file) => `${file} is missing. Run \`npm ci\`.`);
}
