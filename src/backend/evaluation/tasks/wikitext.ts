import { pythonSpace, splitAtSpaces } from "../harness/pythonText";
import { defineTask } from "../harness/task";

export default defineTask({
  kind: "text",
  title: "WikiText-2 by documents",
  version: "2.0",
  splits: { training: "train", validation: "validation", test: "test" },
  parts: [
    {
      name: "wikitext",
      data: {
        folder: "wikitext",
        hub: "EleutherAI/wikitext_document_level",
        config: "wikitext-2-raw-v1",
        license: "CC BY-SA 3.0",
      },
    },
  ],
  // Words and bytes are those of the page before its spaces are removed.
  read(document) {
    const page = document.text("page");
    return { text: joinTokens(page), words: splitAtSpaces(page).length, bytes: Buffer.byteLength(page) };
  },
});

/** Pairs of marks with spaces inside, which are removed. */
const enclosed = [
  ["\\(", "\\)"],
  ["\\[", "\\]"],
  ["{", "}"],
  ['"', '"'],
  ["'", "'"],
].map(([open, close]) => ({
  pattern: new RegExp(`${open}[${pythonSpace}]*([^${close}]*?)[${pythonSpace}]*${close}`, "g"),
  marks: [open, close].map((mark) => mark!.replace("\\", "")),
}));

/** Restores the text from its tokens, with the replacements of the harness in their order. */
function joinTokens(page: string): string {
  let text = page.replaceAll("s '", "s'").replace(/\/' [0-9]\//g, "/'[0-9]/");
  for (const mark of ["-", ",", "."]) text = text.replaceAll(` @${mark}@ `, mark);
  for (const mark of [":", ";", ".", "!", "?", ","]) text = text.replaceAll(` ${mark} `, `${mark} `);
  for (const { pattern, marks } of enclosed)
    text = text.replace(pattern, (_, inner: string) => `${marks[0]!}${inner}${marks[1]!}`);
  return text
    .replaceAll("= = = =", "====")
    .replaceAll("= = =", "===")
    .replaceAll("= =", "==")
    .replaceAll(" ° ", "°")
    .replaceAll(" \n", "\n")
    .replaceAll("\n ", "\n")
    .replaceAll(" N ", " 1 ")
    .replaceAll(" 's", "'s");
}
