/**
 * The texts of the manifest that people read. package.json refers to them as `%key%`; package.nls.json holds them in
 * English, and a `package.nls.<language>.json` next to it may translate them.
 */

/** Properties whose value is a text, or a list of texts. */
const textProperties = new Set([
  "title",
  "category",
  "name",
  "displayName",
  "contextualTitle",
  "contents",
  "description",
  "markdownDescription",
  "enumItemLabels",
  "enumDescriptions",
]);

/** The product's name, which many places repeat. */
const nameKey = "displayName";

export interface ExtractedTexts {
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly texts: Readonly<Record<string, string>>;
}

/** `manifest` holds the parts of package.json that have texts, in English. */
export function extractTexts(manifest: Readonly<Record<string, unknown>>): ExtractedTexts {
  const texts: Record<string, string> = {};

  function addText(text: string, path: readonly string[]): string {
    if (text === texts[nameKey]) return `%${nameKey}%`;
    const base = path.join(".");
    let key = base;
    // Several texts may belong to one view.
    for (let count = 2; key in texts; count++) key = `${base}.${count}`;
    texts[key] = text;
    return `%${key}%`;
  }

  function replaceTexts(value: unknown, path: readonly string[], isText: boolean): unknown {
    if (typeof value === "string") return isText && value !== "" ? addText(value, path) : value;
    if (Array.isArray(value))
      return value.map((each: unknown, i) => replaceTexts(each, [...path, getName(each) ?? `${i}`], isText));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, each]: [string, unknown]) => [
        key,
        replaceTexts(each, [...path, ...getSegment(key)], textProperties.has(key)),
      ]),
    );
  }

  return { manifest: replaceTexts(manifest, [], false) as ExtractedTexts["manifest"], texts };
}

/** What distinguishes an element of a list, so that its key remains when the list changes. */
function getName(element: unknown): string | undefined {
  const { id, command, view, type } = (element ?? {}) as Readonly<Record<string, unknown>>;
  const name = [id, command, view, type].find((each) => typeof each === "string");
  return name?.replace(/^lathe[.-]/, "");
}

/** Levels that every key has are left out. */
function getSegment(key: string): readonly string[] {
  return ["contributes", "properties", "lathe"].includes(key) ? [] : [key.replace(/^lathe\./, "")];
}
