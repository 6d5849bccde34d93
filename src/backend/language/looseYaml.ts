/**
 * Parses YAML as far as possible while it is being typed. Only text that could exhaust the process is refused; broken
 * parts are left out and reported by `experiment/yamlText`.
 */
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  Parser,
  type Scalar,
} from "yaml";
import type { Path } from "../experiment/experiment";
import type { PlainMap } from "../experiment/plainMap";

const maxDepth = 64;

/** The first document of a text, however broken; undefined if it nests too deep or is empty. */
export function parseLooseDocument(text: string): Document.Parsed | undefined {
  const tokens: CST.Token[] = [];
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > maxDepth) return undefined;
  }
  for (const token of parser.end()) tokens.push(token);
  const composer = new Composer({ uniqueKeys: false, logLevel: "silent", prettyErrors: false });
  for (const document of composer.compose(tokens, true, text.length)) return document;
  return undefined;
}

/** A node as a plain value, without aliases and keys that are not words. */
export function toPlainValue(node: unknown): unknown {
  if (isScalar(node)) return node.value;
  if (isSeq(node)) return node.items.map(toPlainValue);
  if (!isMap(node)) return undefined;
  const entries = node.items.flatMap(({ key, value }): [string, unknown][] => {
    const name = getKeyName(key);
    return name === undefined ? [] : [[name, toPlainValue(value)]];
  });
  return Object.fromEntries(entries);
}

/** The map of a cell, empty if it is not a map. */
export function parsePlainCell(text: string): PlainMap {
  const plain = toPlainValue(parseLooseDocument(text)?.contents);
  return typeof plain === "object" && plain !== null && !Array.isArray(plain) ? (plain as PlainMap) : {};
}

export function getKeyName(key: unknown): string | undefined {
  return isScalar(key) && typeof key.value === "string" && key.value !== "__proto__" ? key.value : undefined;
}

/** A scalar of a document with its path. */
export interface Spot {
  readonly scalar: Scalar.Parsed;
  readonly part: "key" | "value";
  /** The path of the value; for a key the path of its map. */
  readonly path: Path;
  /** Inside braces or brackets. */
  readonly flow: boolean;
}

/** Every scalar of a document. */
export function* listSpots(root: unknown): Generator<Spot> {
  const todo: { readonly node: unknown; readonly path: Path; readonly flow: boolean }[] = [
    { node: root, path: [], flow: false },
  ];
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const { node, path, flow } = next;
    if (isScalar(node)) yield { scalar: node as Scalar.Parsed, part: "value", path, flow };
    if (!isCollection(node)) continue;
    const inside = flow || node.flow === true;
    if (isSeq(node))
      node.items.forEach((item, i) => todo.push({ node: item, path: [...path, i], flow: inside }));
    if (!isMap(node)) continue;
    for (const { key, value } of node.items) {
      if (isScalar(key)) yield { scalar: key as Scalar.Parsed, part: "key", path, flow: inside };
      todo.push({ node: value, path: [...path, getKeyName(key) ?? ""], flow: inside });
    }
  }
}

/** Offsets of a node's own text, without trailing comments and line breaks. */
export function getExtent(node: Node | null): readonly [start: number, end: number] | undefined {
  if (node === null || isAlias(node) || node.range === undefined || node.range === null) return undefined;
  return [node.range[0], node.range[1]];
}
