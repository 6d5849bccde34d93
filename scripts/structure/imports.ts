/** Reads which modules a TypeScript file imports, and follows them inside src. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

export interface Import {
  /** As it is written. */
  readonly specifier: string;
  /** False where only types are imported, so that nothing is loaded. */
  readonly loads: boolean;
  readonly line: number;
}

/** Static imports, re-exports, `import()` of code and of types, `require()`. */
export function findImports(text: string, file = "file.ts"): Import[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false, ts.ScriptKind.TSX);
  const imports: Import[] = [];
  const add = (literal: ts.Node | undefined, loads: boolean) => {
    if (literal === undefined || !ts.isStringLiteralLike(literal)) return;
    const line = source.getLineAndCharacterOfPosition(literal.pos).line + 1;
    imports.push({ specifier: literal.text, loads, line });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isCodeImport(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, !node.isTypeOnly);
    else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference))
      add(node.moduleReference.expression, !node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, false);
    else if (ts.isCallExpression(node) && isLoadCall(node.expression)) add(node.arguments[0], true);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return imports;
}

function isCodeImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return true;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return false;
  const { name, namedBindings } = clause;
  if (name !== undefined || namedBindings === undefined || ts.isNamespaceImport(namedBindings)) return true;
  return namedBindings.elements.length === 0 || namedBindings.elements.some(({ isTypeOnly }) => !isTypeOnly);
}

function isLoadCall(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(callee) && callee.text === "require") ||
    (ts.isPropertyAccessExpression(callee) &&
      ts.isIdentifier(callee.expression) &&
      callee.expression.text === "require")
  );
}

/** All TypeScript files below a folder, as paths from the root with forward slashes. */
export function listSourceFiles(root: string, folder: string): string[] {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((name) => /\.tsx?$/.test(name))
    .sort();
}

/** A source tree held in memory: file → text. */
export type Sources = ReadonlyMap<string, string>;

export function readSources(root: string, folders: readonly string[]): Sources {
  const files = folders.flatMap((folder) => listSourceFiles(root, folder));
  return new Map(files.map((file) => [file, readFileSync(path.join(root, file), "utf8")]));
}

/** The file that a relative specifier means, or undefined for a package and for what is not there. */
export function resolveImport(sources: Sources, from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = path.posix.join(path.posix.dirname(from), specifier);
  return [target, `${target}.ts`, `${target}.tsx`, `${target}.d.ts`, `${target}/index.ts`].find((file) =>
    sources.has(file),
  );
}

export function isIn(file: string, folder: string): boolean {
  return file === folder || file.startsWith(`${folder}/`);
}

/** The most specific of the folders that contain the file. */
export function findLongestPrefix(file: string, folders: readonly string[]): string | undefined {
  return folders.filter((folder) => isIn(file, folder)).sort((a, b) => b.length - a.length)[0];
}
