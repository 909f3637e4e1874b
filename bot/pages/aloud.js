// How a password is read out over the telephone, character by character.

const LETTERS = ("Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa " +
  "Quebec Romeo Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu").split(" ");
const DIGITS = "zero one two three four five six seven eight nine".split(" ");
const SYMBOLS = {
  " ": "space", "!": "exclamation mark", '"': "double quote", "#": "hash", "$": "dollar", "%": "percent",
  "&": "ampersand", "'": "apostrophe", "(": "open bracket", ")": "close bracket", "*": "asterisk", "+": "plus",
  ",": "comma", "-": "hyphen", ".": "full stop", "/": "slash", ":": "colon", ";": "semicolon", "<": "less than",
  "=": "equals", ">": "greater than", "?": "question mark", "@": "at sign", "[": "open square bracket",
  "\\": "backslash", "]": "close square bracket", "^": "caret", _: "underscore", "`": "backtick", "{": "open brace",
  "|": "vertical bar", "}": "close brace", "~": "tilde",
};

export function kind(character) {
  if (/[0-9]/.test(character)) return "digit";
  return /\p{L}/u.test(character) ? "letter" : "symbol";
}

export function spoken(character) {
  if (/[a-z]/.test(character)) return `small ${LETTERS[character.charCodeAt(0) - 97].toLowerCase()}`;
  if (/[A-Z]/.test(character)) return `CAPITAL ${LETTERS[character.charCodeAt(0) - 65].toUpperCase()}`;
  if (/[0-9]/.test(character)) return `number ${DIGITS[Number(character)]}`;
  if (character in SYMBOLS) return SYMBOLS[character];
  return `the character U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}
