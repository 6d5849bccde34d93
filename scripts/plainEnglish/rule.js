/** ESLint rule: strings with more than one word, template strings and comments contain none of the phrases to avoid. */
import { phrases } from "./phrases.js";

/** Masks what is not prose, keeping every position: code in backticks, addresses of links, prefixes of comment lines. */
function maskCode(text) {
  const mask = (match) => match.replace(/[^\n]/g, "·");
  return text
    .replace(/^[ \t]*\*(?= )/gm, (prefix) => " ".repeat(prefix.length))
    .replace(/`[^`\n]*(?:\n[^`\n]+)?`|\]\([^)\s]*\)|\bhttps?:\/\/\S+/g, mask);
}

/** Finds the phrases of a text, with their positions. A line break counts as a space. */
export function findPhrases(text) {
  const prose = maskCode(text);
  const positions = [];
  let words = "";
  for (let index = 0; index < prose.length; index++) {
    const character = /\s/.test(prose[index]) ? " " : prose[index];
    if (character === " " && words.endsWith(" ")) continue;
    positions.push(index);
    words += character;
  }
  return phrases.flatMap(({ pattern, use }) =>
    [...words.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map((match) => ({
      index: positions[match.index],
      end: positions[match.index + match[0].length - 1] + 1,
      phrase: match[0],
      use,
    })),
  );
}

/** @type {import("eslint").Rule.RuleModule} */
export default {
  meta: {
    type: "suggestion",
    docs: { description: "Holds strings, comments and Markdown to docs/style.md" },
    schema: [],
    messages: { avoid: 'Avoid "{{phrase}}"; write: {{use}} (docs/style.md).' },
  },
  create(context) {
    const { sourceCode } = context;
    const check = (start, text) => {
      for (const { index, end, phrase, use } of findPhrases(text)) {
        const from = sourceCode.getLocFromIndex(start + index);
        const to = sourceCode.getLocFromIndex(start + end);
        context.report({ loc: { start: from, end: to }, messageId: "avoid", data: { phrase, use } });
      }
    };
    return {
      Program() {
        for (const { range, value } of sourceCode.getAllComments()) check(range[0] + 2, value);
      },
      Literal({ range, value, parent }) {
        if (typeof value !== "string" || !value.includes(" ") || parent.type === "ImportDeclaration") return;
        check(range[0], sourceCode.text.slice(...range));
      },
      TemplateElement({ range, value: { raw } }) {
        // Whether the range includes the delimiters depends on the parser.
        check(sourceCode.text.indexOf(raw, range[0]), raw.replaceAll("`", "'"));
      },
    };
  },
};
