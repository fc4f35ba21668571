// What the sample says: the language and its version.
module.exports = (language, version) => `Hello from Beanpod, in ${language} ${version}\n`;
