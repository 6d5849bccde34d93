import { ESLint } from "eslint";
import tseslint from "typescript-eslint";
import { expect, test } from "vitest";
import markdown from "../scripts/plainEnglish/markdown.js";
import { phrases } from "../scripts/plainEnglish/phrases.js";
import plainEnglish, { findPhrases } from "../scripts/plainEnglish/rule.js";

test.each(phrases)("$avoid", ({ pattern, wrong, right }) => {
  for (const text of wrong) expect(text).toMatch(pattern);
  for (const text of right) expect(text).not.toMatch(pattern);
});

test("a phrase is found across lines of a comment, and not in code", () => {
  expect(findPhrases("*\n * The model is\n * no classifier.").map(({ phrase }) => phrase)).toEqual([
    "is no ",
  ]);
  expect(findPhrases("calls `tells()` at https://tells.example, is `x` no")).toEqual([]);
});

async function lint(text: string, filePath: string, parser?: object) {
  const eslint = new ESLint({
    overrideConfigFile: true,
    overrideConfig: [
      {
        ...(parser === undefined ? {} : { languageOptions: { parser } }),
        plugins: { lathe: { rules: { "plain-english": plainEnglish }, processors: { markdown } } },
        rules: { "lathe/plain-english": "error" },
      },
      { files: ["**/*.md"], processor: "lathe/markdown" },
    ],
  });
  const [result] = await eslint.lintText(text, { filePath });
  return result!.messages.map(({ line, message }) => `${line}: ${message}`);
}

test("strings, template strings and comments are checked; single words and imports are not", async () => {
  const text = `import "it tells";
const key = "tells", text = "it tells";
// It tells.
const more = \`\${key} goes \${text}\` + \`It goes.\`;
`;
  const found = [
    expect.stringContaining('2: Avoid "tells"'),
    expect.stringContaining('3: Avoid "tells"'),
    expect.stringContaining('4: Avoid "goes"'),
    expect.stringContaining('4: Avoid "goes"'),
  ];
  expect(await lint(text, "test/some.js")).toEqual(found);
  expect(await lint(text, "test/some.js", tseslint.parser)).toEqual(found);
});

test("prose of Markdown is checked, and also the cells of an experiment", async () => {
  const text = "# Title\n\nIt tells `goes`.\n\n```yaml\nit: goes\n```\n\nIt stands */ there.\n";
  const found = [expect.stringContaining('3: Avoid "tells"'), expect.stringContaining('9: Avoid "stands"')];
  expect(await lint(text, "test/page.md")).toEqual(found);
  expect(await lint(text, "test/page.lathe.md")).toEqual([
    found[0],
    expect.stringContaining('6: Avoid "goes"'),
    found[1],
  ]);
});
