/** The texts of the extension host, which the code passes to `t` and `plural` of src/extension/l10n.ts. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

/** Which arguments of each function are texts. */
const textArguments: Readonly<Record<string, readonly number[]>> = { t: [0], plural: [1, 2] };

/** Sorted and each once. A text that is computed is an error, because no translation could contain it. */
export function findExtensionTexts(root: string): readonly string[] {
  const folder = path.join(root, "src/extension");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && file !== "l10n.ts",
  );
  const texts = files.flatMap((file) => findTexts(file, readFileSync(path.join(folder, file), "utf8")));
  return [...new Set(texts)].sort();
}

export function findTexts(file: string, source: string): readonly string[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression))
      for (const index of textArguments[node.expression.text] ?? []) {
        const argument = node.arguments[index];
        if (argument === undefined || !ts.isStringLiteralLike(argument)) {
          const { line } = tree.getLineAndCharacterOfPosition(node.getStart(tree));
          throw new Error(
            `src/extension/${file}:${line + 1}: write the text out, so that it can be translated.`,
          );
        }
        texts.push(argument.text);
      }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return texts;
}

/** The file that a translation copies: each text under itself, as VS Code looks it up. */
export function createTextBundle(root: string): string {
  const texts = findExtensionTexts(root);
  return `${JSON.stringify(Object.fromEntries(texts.map((text) => [text, text])), null, 2)}\n`;
}
