/**
 * The page that the Extensions view and the galleries show, from docs/gallery.md. Neither resolves a relative address: a
 * published page addresses the repository, at the tag of the version. A package for one's own use contains its pictures
 * instead, and shows what it would link to as text.
 */
import { existsSync, readFileSync } from "node:fs";
import { posix, join } from "node:path";

/** Where the page is written for the packer, and in which package file it is. */
export const galleryPagePath = "dist/gallery.md";

const source = "docs/gallery.md";

export interface PublishedManifest {
  readonly version: string;
  readonly repository: { readonly url: string };
}

/** `manifest` is that of a published package; without it the page contains its pictures. */
export function createGalleryPage(root: string, manifest?: PublishedManifest): string {
  const page = readFileSync(join(root, source), "utf8");
  const addresses = manifest === undefined ? undefined : getAddresses(manifest);
  return page.replace(
    /(?<mark>!?)\[(?<text>[^\]]*)\]\((?<target>[^)\s]+)\)/g,
    (whole, mark: string, text: string, target: string) => {
      if (/^[a-z]+:/i.test(target)) return whole;
      const file = posix.join(posix.dirname(source), target);
      if (!existsSync(join(root, file)))
        throw new Error(`${source} refers to ${file}, which does not exist.`);
      const isPicture = mark === "!";
      if (addresses !== undefined)
        return `${mark}[${text}](${isPicture ? addresses.pictures : addresses.pages}/${file})`;
      if (!isPicture) return text;
      const bytes = readFileSync(join(root, file)).toString("base64");
      return `![${text}](data:image/png;base64,${bytes})`;
    },
  );
}

function getAddresses({ version, repository }: PublishedManifest) {
  const name = /^https:\/\/github\.com\/(?<name>[^/]+\/[^/]+?)(?:\.git)?$/.exec(repository.url)?.groups?.[
    "name"
  ];
  if (name === undefined)
    throw new Error(`The pictures of ${source} need a repository on GitHub, not ${repository.url}.`);
  return {
    pictures: `https://raw.githubusercontent.com/${name}/v${version}`,
    pages: `https://github.com/${name}/blob/v${version}`,
  };
}
