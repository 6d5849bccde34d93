/** Text from runs, files and other processes, made fit for places that would read more into it than text. */

/** Control characters, terminal escapes among them, become visible; so do the marks that turn the direction of writing. */
export function escapeControls(text: string): string {
  return text.replace(
    // eslint-disable-next-line no-control-regex -- control characters are what this is about
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** More than that nobody reads in a corner of the window; the log has all of it. */
const maxLength = 1000;

/** For notifications, which make a button-like link, commands included, of `[label](target)`. */
export function escapeNotification(text: string): string {
  return escapeControls(text.length > maxLength ? `${text.slice(0, maxLength)}…` : text).replace(
    /\](?=\()/g,
    "]\u200b",
  );
}
