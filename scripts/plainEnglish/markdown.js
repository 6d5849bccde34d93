/**
 * ESLint processor: gives the rule the prose of a Markdown page as one JavaScript comment. Fenced blocks are left out,
 * except in experiments, whose cells contain descriptions too.
 */

/** @type {import("eslint").Linter.Processor} */
export default {
  meta: { name: "plain-english" },
  supportsAutofix: false,
  preprocess(text, file) {
    const withoutCode = file.endsWith(".lathe.md")
      ? text.replace(/`{3,}/g, "···")
      : text.replace(/^([ \t]*)(`{3,}|~{3,})[\s\S]*?^\1\2[ \t]*$/gm, (block) => block.replace(/[^\n]/g, " "));
    const prose = withoutCode.replaceAll("*/", "* ").replaceAll("eslint", "ESLINT");
    // The comment starts on a line of its own, so that only line numbers shift.
    return [{ text: `/*\n${prose}\n*/\n`, filename: "prose.js" }];
  },
  postprocess(messages) {
    return messages.flat().map((message) => ({
      ...message,
      line: message.line - 1,
      ...(message.endLine === undefined ? {} : { endLine: message.endLine - 1 }),
    }));
  },
};
