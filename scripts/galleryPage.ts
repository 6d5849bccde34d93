/**
 * The page that the Extensions view and the galleries show, from docs/gallery.md. They load pictures by HTTPS alone, and
 * resolve no relative address: the page addresses the repository at the tag of the version. Until there is a repository,
 * it has no pictures, and shows what it would link to as text.
 */
import { existsSync, readFileSync } from "node:fs";
import { posix, join } from "node:path";

/** Where the page is written for the packer. */
export const galleryPagePath = "dist/gallery.md";
/** The owner of the repository in package.json until there is a real one. */
export const placeholder = "OWNER";

const source = "docs/gallery.md";

export interface AddressedManifest {
  readonly version: string;
  readonly repository: { readonly url: string };
}

export function createGalleryPage(root: string, manifest: AddressedManifest): string {
  const page = readFileSync(join(root, source), "utf8");
  const { pictures, pages } = getAddresses(manifest);
  return page
    .replace(
      /(?<mark>!?)\[(?<text>[^\]]*)\]\((?<target>[^)\s]+)\)/g,
      (whole, mark: string, text: string, target: string) => {
        if (/^[a-z]+:/i.test(target)) return whole;
        const file = posix.join(posix.dirname(source), target);
        if (!existsSync(join(root, file)))
          throw new Error(`${source} refers to ${file}, which does not exist.`);
        const address = mark === "!" ? pictures : pages;
        if (address !== undefined) return `${mark}[${text}](${address}/${file})`;
        return mark === "!" ? "" : text;
      },
    )
    .replace(/\n{3,}/g, "\n\n");
}

function getAddresses({ version, repository }: AddressedManifest): {
  readonly pictures?: string;
  readonly pages?: string;
} {
  const groups = /^https:\/\/github\.com\/(?<owner>[^/]+)\/(?<name>[^/]+?)(?:\.git)?$/.exec(
    repository.url,
  )?.groups;
  if (groups === undefined)
    throw new Error(`The pictures of ${source} need a repository on GitHub, not ${repository.url}.`);
  const { owner, name } = groups as { readonly owner: string; readonly name: string };
  if (owner === placeholder) return {};
  return {
    pictures: `https://raw.githubusercontent.com/${owner}/${name}/v${version}`,
    pages: `https://github.com/${owner}/${name}/blob/v${version}`,
  };
}
