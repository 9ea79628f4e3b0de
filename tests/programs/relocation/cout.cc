#include <iostream>
#include <locale>
#include <sstream>
int main() {
  std::cout << "cout " << 42 << ' ' << 1.5 << std::endl;
  std::cerr << "cerr\n";
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << std::hex << 255;
  std::cout << text.str() << ' ' << std::cin.good() << '\n';
}
