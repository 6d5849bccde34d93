/** As much of a heading as its picture has room for; the picture's title says all of it. */
export function shortened(text: string, width: number): string {
  const most = Math.floor(width / headingLetter);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Pixels that a letter of a heading takes on the average. */
const headingLetter = 7.2;
