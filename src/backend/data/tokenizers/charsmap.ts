/**
 * The compiled table by which SentencePiece normalizes text, as `Precompiled` steps of a `tokenizer.json` hold it in base64:
 * the size of a trie in bytes, the trie (a double array of 32-bit units, as Darts-clone writes it), and the texts that
 * its values point into, each ended by a zero byte.
 */

/** Throws an `Error` where following the table would lead outside it. */
export function checkCharsmap(base64: unknown): void {
  const broken = (why: string) => new Error(`normalizer: precompiled_charsmap is damaged (${why})`);
  if (typeof base64 !== "string" || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0)
    throw broken("it is not base64");
  const bytes = Buffer.from(base64, "base64");
  const size = bytes.length < 4 ? 0 : bytes.readUInt32LE(0);
  if (size < 4 || size % 4 !== 0 || 4 + size > bytes.length)
    throw broken(`${bytes.length} bytes, of which the trie takes ${size}`);
  const texts = bytes.subarray(4 + size);
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(texts);
  } catch {
    throw broken("its texts are not UTF-8");
  }
  const units = Uint32Array.from({ length: size / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
  const isVisited = new Uint8Array(units.length);
  const open = [offsetOf(units[0]!)];
  for (let base = open.pop(); base !== undefined; base = open.pop())
    for (let label = 1; label < 256; label++) {
      const place = base ^ label;
      const unit = units[place];
      if (unit === undefined) throw broken("its trie leads outside itself");
      if (labelOf(unit) !== label || isVisited[place] === 1) continue;
      isVisited[place] = 1;
      const next = (place ^ offsetOf(unit)) >>> 0;
      if (hasLeaf(unit)) {
        const leaf = units[next];
        const start = leaf === undefined ? undefined : texts[leaf & 0x7fffffff];
        // A value points at the beginning of a character.
        if (start === undefined || (start & 0xc0) === 0x80)
          throw broken("it leads to text that it does not hold");
      }
      open.push(next);
    }
}

const labelOf = (unit: number) => (unit & 0x800000ff) >>> 0;
const hasLeaf = (unit: number) => ((unit >>> 8) & 1) === 1;
const offsetOf = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
