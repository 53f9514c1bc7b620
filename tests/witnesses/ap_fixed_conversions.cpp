// Converts between fixed-point types with AMD's ap_fixed headers, for comparison with bittrue's definition.
//
// "conversions.inc" is written by the test: one CONVERT(source, target) a conversion, the types in parentheses. For each
// of them, standard input holds a count and that many source words, and standard output gets the target words. Words are
// strings of 0 and 1, the highest bit first: no number passes through a double, whose constructor here is not vetted.

#include <iostream>
#include <string>

#include "ap_fixed.h"

template <class Source>
Source from_bits(const std::string& word) {
  Source number = 0;
  for (int i = 0; i < number.width; ++i) number[i] = word[number.width - 1 - i] == '1';
  return number;
}

// Of the storage, which the types of all modes share: fewer templates to compile.
template <class Storage>
std::string to_bits(const Storage& storage, int width) {
  std::string word(width, '0');
  for (int i = 0; i < width; ++i)
    if (storage.get_bit(i)) word[width - 1 - i] = '1';
  return word;
}

template <class Source, class Target>
void convert() {
  int count;
  std::cin >> count;
  std::string word;
  while (count-- > 0) {
    std::cin >> word;
    Target target = from_bits<Source>(word);
    std::cout << to_bits(target.V, target.width) << '\n';
  }
}

int main() {
  std::ios::sync_with_stdio(false);
#define TYPE(...) __VA_ARGS__
#define CONVERT(source, target) convert<TYPE source, TYPE target>();
#include "conversions.inc"
}
