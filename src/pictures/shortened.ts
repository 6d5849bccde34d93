/** As much of a heading as fits its picture; the picture's title has all of it. */
export function shortenHeading(text: string, width: number): string {
  const most = Math.floor(width / headingLetter);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** Average width of a heading's character in pixels. */
const headingLetter = 7.2;
