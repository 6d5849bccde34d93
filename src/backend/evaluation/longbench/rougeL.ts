/**
 * ROUGE-L between two texts (Lin 2004, summary level) as the Python package `rouge` computes it: sentences end at full stops, and
 * words count once. The package gives up on sentences of about a thousand words together, which LongBench then scores 0; here
 * they are compared like others.
 */
import { splitAtSpaces, strip } from "../harness/pythonText";

/** F1 of the words in the union of the longest common subsequences of all pairs of sentences; 0 if a text has no sentence. */
export function computeRougeL(prediction: string, reference: string): number {
  const [predicted, expected] = [splitSentences(prediction), splitSentences(reference)];
  if (predicted.length === 0 || expected.length === 0) return 0;
  const common = new Set<string>();
  for (const sentence of expected)
    for (const other of predicted) for (const word of findCommonWords(sentence, other)) common.add(word);
  const precision = common.size / new Set(predicted.flat()).size;
  const recall = common.size / new Set(expected.flat()).size;
  return (2 * precision * recall) / (precision + recall + 1e-8);
}

/** The words of each sentence; blank text between two full stops is one empty word. */
function splitSentences(text: string): string[][] {
  return text
    .split(".")
    .filter((sentence) => sentence !== "")
    .map((sentence) => splitAtSpaces(strip(sentence)));
}

/** The words of a longest common subsequence; of several, the one that ends first in `a`. */
function findCommonWords(a: readonly string[], b: readonly string[]): string[] {
  const columns = b.length + 1;
  // Lengths of the longest common subsequences of the first i words of `a` and the first j of `b`.
  const lengths = new Uint32Array((a.length + 1) * columns);
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++)
      lengths[i * columns + j] =
        a[i - 1] === b[j - 1]
          ? lengths[(i - 1) * columns + j - 1]! + 1
          : Math.max(lengths[(i - 1) * columns + j]!, lengths[i * columns + j - 1]!);
  const words: string[] = [];
  let [i, j] = [a.length, b.length];
  while (i > 0 && j > 0)
    if (a[i - 1] === b[j - 1]) {
      words.push(a[i - 1]!);
      [i, j] = [i - 1, j - 1];
    } else if (lengths[(i - 1) * columns + j]! > lengths[i * columns + j - 1]!) i--;
    else j--;
  return words;
}
