// What Swift's Glibc module lacks. See each prototype for why it is here.
#pragma once
