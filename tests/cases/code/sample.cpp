#include <algorithm>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace geometry {

template <typename T>
class Grid {
public:
    Grid(std::size_t width, std::size_t height, T fill = T{})
        : width_(width), height_(height), cells_(width * height, std::move(fill)) {}

    T& at(std::size_t x, std::size_t y) {
        if (x >= width_ || y >= height_) {
            throw std::out_of_range("Grid::at: (" + std::to_string(x) + ", " + std::to_string(y) + ")");
        }
        return cells_[y * width_ + x];
    }

    template <typename Visit>
    void each(Visit&& visit) const {
        for (std::size_t y = 0; y < height_; ++y) {
            for (std::size_t x = 0; x < width_; ++x) {
                visit(x, y, cells_[y * width_ + x]);
            }
        }
    }

    [[nodiscard]] std::size_t count(const T& value) const {
        return static_cast<std::size_t>(std::count(cells_.begin(), cells_.end(), value));
    }

private:
    std::size_t width_;
    std::size_t height_;
    std::vector<T> cells_;
};

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

class Circle final : public Shape {
public:
    explicit Circle(double radius) : radius_(radius) {}
    double area() const override { return 3.14159265 * radius_ * radius_; }

private:
    double radius_;
};

double total_area(const std::vector<std::unique_ptr<Shape>>& shapes) {
    double sum = 0.0;
    for (const auto& shape : shapes) {
        sum += shape->area();
    }
    return sum;
}

}  // namespace geometry

int main() {
    using geometry::Grid;
    Grid<int> grid(4, 3);
    grid.at(1, 2) = 7;
    int sum = 0;
    grid.each([&sum](std::size_t, std::size_t, int cell) { sum += cell; });

    std::vector<std::unique_ptr<geometry::Shape>> shapes;
    shapes.push_back(std::make_unique<geometry::Circle>(1.5));
    switch (grid.count(7)) {
        case 1:
            return sum == 7 ? 0 : 1;
        default:
            return 2;
    }
}
